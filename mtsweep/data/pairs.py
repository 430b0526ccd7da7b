"""What the data layer hands on: pairs, and a corpus split into train, dev and test."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field


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


@dataclass(frozen=True)
class Pool:
    """The pairs of a source before the split, and what was left out on the way."""

    train: tuple[Pair, ...]
    dev: tuple[Pair, ...] | None = None
    """``None``: still to be split off ``train``."""
    test: tuple[Pair, ...] | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    """Reason to count of pairs left out by the reader."""


@dataclass(frozen=True)
class Corpus:
    """The pairs of one run. Test and dev are the same for every ``data.size``."""

    source_lang: str
    target_lang: str
    train: tuple[Pair, ...]
    dev: tuple[Pair, ...]
    test: tuple[Pair, ...]
    available: int
    """Training pairs before ``data.size`` was taken."""
    longest_probe: tuple[Pair, ...]
    """The first 1,000 training pairs before ``data.size``: what lengths are guessed from."""
    dropped: dict[str, int]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the rows that are used, order included: equal content, equal print."""
        return _digest(self.train, self.dev, self.test)

    @property
    def test_fingerprint(self) -> str:
        """SHA-256 over the test rows alone."""
        return _digest(self.test)


def fold(text: str) -> str:
    """Text as the split compares it: white space collapsed, case folded."""
    return " ".join(text.split()).casefold()


def _digest(*parts: Iterable[Pair]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        for pair in part:
            for text in (pair.source, pair.target):
                encoded = text.encode()
                digest.update(len(encoded).to_bytes(8, "big"))
                digest.update(encoded)
        digest.update(b"\xff")
    return digest.hexdigest()
