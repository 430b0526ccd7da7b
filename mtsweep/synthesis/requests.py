"""What a teacher is asked: numbered requests, each known by a hash of all that it says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

_CHARACTERS_A_TOKEN = 3.5
"""Rough, and told as such: what a token comes to where nobody has counted yet."""


@dataclass(frozen=True)
class Request:
    """One thing to ask a teacher."""

    index: int
    """Its place in the plan, from 0."""
    hash: str
    """SHA-256 (hex) of the teacher's name and all that it is asked: one request, one answer."""
    body: Mapping[str, Any]
    """``messages`` and sampling values for a chat teacher, ``texts`` for one that translates."""
    topics: tuple[str, ...]
    """Of a chat request the one topic; of a translation the origin of each text."""
    tokens: int
    """Prompt and answer together, at most, as far as can be guessed."""


class Plan(Protocol):
    """All requests of a command; any of them is made when it is needed."""

    limit: int
    """Requests that there are at most."""
    per_request: int
    """Pairs that a good answer holds."""

    def request(self, index: int) -> Request:
        """The request at a place; always the same."""
        ...


def make(  # noqa: PLR0913
    index: int, teacher: str, body: Mapping[str, Any], topics: tuple[str, ...], answer: int
) -> Request:
    """A request with its hash and its size.

    Args:
        index: Place in the plan.
        teacher: Name and version of who is asked.
        body: What is asked.
        topics: What it is about.
        answer: Tokens of the answer, at most.
    """
    said = json.dumps([teacher, body], sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
    return Request(index, digest, body, topics, guessed_tokens(said) + answer)


def guessed_tokens(text: str) -> int:
    """Tokens of a text, by its length alone."""
    return round(len(text) / _CHARACTERS_A_TOKEN)
