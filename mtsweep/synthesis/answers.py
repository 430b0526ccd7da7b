"""Pairs out of what a teacher said: whole ones only, whatever stands around them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LONGEST = 200_000
"""Characters of an answer that are kept and read."""


@dataclass(frozen=True)
class Draft:
    """A pair that a teacher wrote, before any filter."""

    source: str
    target: str
    topic: str


def parse(text: str, codes: tuple[str, str], topic: str) -> tuple[list[Draft], int]:
    """Whole pairs of an answer, and the number of objects that are none.

    An answer that is one JSON object is read as it is. Otherwise (prose around it, code fences, an
    end that is missing) every whole object that has both languages is taken; half ones never are.

    Args:
        text: The answer.
        codes: Keys of source and target.
        topic: What the pairs were asked about.
    """
    drafts: list[Draft] = []
    malformed = 0
    for item in _objects(text[:LONGEST], codes):
        source, target = (item.get(code) for code in codes)
        if isinstance(source, str) and isinstance(target, str):
            drafts.append(Draft(source, target, topic))
        else:
            malformed += 1
    return drafts, malformed if drafts or malformed else 1


def _objects(text: str, codes: tuple[str, str]) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder(strict=False)
    place = text.find("{")
    while place >= 0:
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            value, end = None, place + 1
        if isinstance(value, dict):
            inner = value.get("pairs")
            if isinstance(inner, list):
                yield from (item if isinstance(item, dict) else {} for item in inner)
            elif set(codes) & set(value):
                yield value
            else:
                end = place + 1 if "pairs" not in value and inner is None else end
        place = text.find("{", end)
