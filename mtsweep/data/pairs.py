"""What the data layer hands on: pairs and conversations, split into train, dev and test."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A text and its translation."""

    id: str
    """Where it stands in its source: a phrasebook row, ``file:line``, a catalog's message."""
    source: str
    target: str
    origin: str
    """Domain, file or package, for scores by origin."""
    split_key: str
    """Pairs with one key stay on one side of the split: the folded source text, or the row of a
    text that exists in several languages."""
    languages: tuple[str, str] | None = None
    """FLORES-200 codes of source and target, where a mix holds several; ``None``: the corpus's."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Conversation(Pair):
    """A conversation that ends with an answer.

    It is a pair as well, so that it is split, cleaned, counted and scored like one: ``source`` is
    the text of all turns before the last answer, and ``target`` is that answer.
    """

    messages: tuple[Message, ...] = ()
    """A system message (context), where there is one, then user and assistant by turns."""


def conversation(id: str, messages: Iterable[Message], origin: str) -> Conversation:  # noqa: A002
    """A conversation out of its turns; the last one is an answer."""
    turns = tuple(messages)
    asked = "\n\n".join(turn.content for turn in turns[:-1])
    return Conversation(id, asked, turns[-1].content, origin, fold(asked), None, turns)


Examples = dict[str, tuple[tuple[str, str], ...]]
"""Reason to the first texts, source and target, that were left out for it."""
EXAMPLES = 3
"""Examples that are kept of what is left out for one reason."""


@dataclass(frozen=True)
class Pool:
    """The pairs of a source before the split, and what was left out on the way."""

    train: Sequence[Pair]
    dev: tuple[Pair, ...] | None = None
    """``None``: still to be split off ``train``."""
    test: tuple[Pair, ...] | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    """Reason to count of pairs left out by the reader."""
    left_out: Examples = field(default_factory=dict)
    """Some of them."""
    provenance: tuple[str, ...] = ()
    """Where each source was read: a file, a package, a data set with its commit."""
    malformed: tuple[str, ...] = ()
    """Where the first malformed rows stand, and why they are none."""


@dataclass(frozen=True)
class Step:
    """What a cleaning step came to."""

    name: str
    seen: int
    """Training pairs that came to it."""
    dropped: int
    changed: int
    examples: tuple[tuple[str, str], ...]
    """Source and target of three pairs that it dropped, else of what it changed, as they were."""
    held_out: int = 0
    """Dev and test pairs that it would have dropped or changed; they are left as they are."""


@dataclass(frozen=True)
class Leak:
    """A training pair that repeats a dev or test pair, and was taken out for it."""

    train: str
    """Id of the training pair."""
    held_out: str
    """Id of the dev or test pair."""
    side: Literal["source", "target"]
    similarity: float
    """Jaccard similarity of character 5-grams; 1 for equal texts."""
    text: str
    """Of the training pair, on that side."""


@dataclass(frozen=True)
class Corpus:
    """The pairs of one run. Test and dev are the same for every ``data.size``."""

    source_lang: str
    target_lang: str
    train: Sequence[Pair]
    """In memory, or on disk where there are too many (``shelf.py``)."""
    dev: tuple[Pair, ...]
    test: tuple[Pair, ...]
    available: int
    """Training pairs before ``data.size`` was taken."""
    longest_probe: tuple[Pair, ...]
    """The first 1,000 training pairs before ``data.size``: what lengths are guessed from."""
    dropped: dict[str, int]
    """Reason to count of what was left out: by the reader, by cleaning, or as a leak."""
    left_out: Examples = field(default_factory=dict)
    """Of what the reader left out, the first of each reason."""
    synthetic: int = 0
    """Training pairs that are synthetic."""
    synthetic_available: int = 0
    """Synthetic pairs before a share of them was taken."""
    provenance: tuple[str, ...] = ()
    """Where each source was read: a file, a package, a data set with its commit."""
    steps: tuple[Step, ...] = ()
    """What each step of cleaning came to."""
    leaks: tuple[Leak, ...] = ()
    """What was taken out because it repeats a dev or test pair."""
    malformed: tuple[str, ...] = ()
    """Where the first malformed rows of each file stand, and why they are none."""

    def languages(self, pair: Pair) -> tuple[str, str]:
        """FLORES-200 codes of a pair's source and target."""
        return pair.languages or (self.source_lang, self.target_lang)

    @property
    def is_chat(self) -> bool:
        """Whether it holds conversations rather than translations."""
        return isinstance((self.test or self.train)[0], Conversation)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the rows that are used, order included: equal content, equal print."""
        return digest(self.train, self.dev, self.test)

    @cached_property
    def test_fingerprint(self) -> str:
        """SHA-256 over the test rows alone."""
        return digest(self.test)

    @cached_property
    def longest_digest(self) -> str:
        """12 hex digits over the texts of ``longest_probe``."""
        texts = [[pair.source, pair.target] for pair in self.longest_probe]
        told = json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    @cached_property
    def typical_length(self) -> int:
        """Characters of both sides of a pair; a quarter of ``longest_probe`` has more."""
        return self._lengths[len(self._lengths) * 3 // 4] if self._lengths else 0

    @property
    def greatest_length(self) -> int:
        """Characters of both sides of the longest pair of ``longest_probe``."""
        return self._lengths[-1] if self._lengths else 0

    @cached_property
    def _lengths(self) -> list[int]:
        return sorted(len(pair.source) + len(pair.target) for pair in self.longest_probe)


def fold(text: str) -> str:
    """Text as the split compares it: white space collapsed, case folded."""
    return " ".join(text.split()).casefold()


def digest(*parts: Iterable[Pair]) -> str:
    """SHA-256 over everything of pairs that training can see, order included."""
    made = hashlib.sha256()
    for part in parts:
        for pair in part:
            for text in _content(pair):
                encoded = text.encode()
                made.update(len(encoded).to_bytes(8, "big"))
                made.update(encoded)
        made.update(b"\xff")
    return made.hexdigest()


def _content(pair: Pair) -> Iterator[str]:
    """Everything of a pair that training can see."""
    if pair.languages:
        yield from pair.languages
    if isinstance(pair, Conversation):
        for turn in pair.messages:
            yield turn.role
            yield turn.content
    else:
        yield pair.source
        yield pair.target
