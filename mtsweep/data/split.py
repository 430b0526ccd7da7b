"""Train, dev and test: split by source text, seeded, nested in size.

Every pair is placed by a hash of its split key, so neither the order of the file nor other pairs
change where it falls, and a smaller ``data.size`` is a prefix of a larger one.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from mtsweep.data import spill
from mtsweep.data.pairs import Examples, Leak, Pair, Pool, Step
from mtsweep.data.shelf import Shelf, weight_of
from mtsweep.errors import UserError

_LOOKED = 1000
"""Held-out pairs from one look at the memory that is left to the next."""


@dataclass(frozen=True)
class Parts:
    """A source, read and split."""

    train: Sequence[Pair]
    dev: tuple[Pair, ...]
    test: tuple[Pair, ...]
    dropped: dict[str, int]
    """Reason to count of what was left out."""
    left_out: Examples = field(default_factory=dict)
    """Of what the reader left out, the first of each reason."""
    provenance: tuple[str, ...] = ()
    """Where each source was read."""
    steps: tuple[Step, ...] = ()
    """What cleaning came to."""
    leaks: tuple[Leak, ...] = ()
    """What was taken out as a repetition of a dev or test pair."""
    malformed: tuple[str, ...] = ()
    """Where the first malformed rows stand, and why they are none."""

    def renamed(self, origin: str) -> Parts:
        """The same with another origin on every pair."""
        return self._each(lambda pair: replace(pair, origin=origin))

    def spoken(self, languages: tuple[str, str]) -> Parts:
        """The same with its language pair on every pair, and in its id."""
        name = "-".join(code.partition("_")[0] for code in languages)
        return self._each(lambda pair: replace(pair, id=f"{pair.id}:{name}", languages=languages))

    def _each(self, edit: Callable[[Pair], Pair]) -> Parts:
        train = self.train
        train = train.edited(edit) if isinstance(train, Shelf) else tuple(map(edit, train))
        dev, test = (tuple(map(edit, part)) for part in (self.dev, self.test))
        return replace(self, train=train, dev=dev, test=test)


def split(
    pool: Pool, test_size: float | None, dev_size: float | None, seed: int
) -> tuple[Sequence[Pair], tuple[Pair, ...], tuple[Pair, ...]]:
    """Train, dev and test pairs of a pool.

    Args:
        pool: Pairs of a source; parts that it brings along are kept as they are.
        test_size: Test pairs, a count from 1 up or a share below 1; ``None`` is a tenth, 2,000 at
            most: more are slow to translate, and tell little more.
        dev_size: Dev pairs, likewise.
        seed: Another seed gives another split.

    Raises:
        UserError: if nothing is left to train on.
    """
    train = in_hash_order(pool.train, seed)
    total = len(train)
    test, train = _cut(train, _count(test_size, total), given=pool.test)
    dev, train = _cut(train, _count(dev_size, total), given=pool.dev)
    test_keys = {pair.split_key for pair in test}
    if pool.test is not None or pool.dev is not None:
        train = without(train, test_keys | {pair.split_key for pair in dev})
    dev = tuple(pair for pair in dev if pair.split_key not in test_keys)
    if not (train and dev and test):
        raise UserError(
            f"data: {total} pairs cannot give {len(test)} test and {len(dev)} dev pairs and still "
            "leave some to train on; lower data.test_size and data.dev_size"
        )
    return train, dev, test


def in_hash_order(pairs: Iterable[Pair], seed: int) -> tuple[Pair, ...] | Shelf:
    """Pairs in an order that depends on each alone, so that a smaller size is a prefix.

    Source and target settle the order within a group, so that the file's order never does.
    """
    return spill.ordered(pairs, *_hash_order(seed))


def gathered(pairs: Iterable[Pair], seed: int) -> tuple[Pair, ...] | Shelf:
    """Pairs to be split: as they come, or in hash order where memory has no room for them."""
    return spill.gathered(pairs, *_hash_order(seed))


def without(pairs: Sequence[Pair], keys: set[str]) -> tuple[Pair, ...] | Shelf:
    """Pairs whose split key is none of these."""
    kept = array("q", (place for place, pair in enumerate(pairs) if pair.split_key not in keys))
    return spill.chosen(pairs, kept)


def _hash_order(seed: int) -> tuple[spill.Key, object]:
    """What the order of a seed is sorted by, and its name."""

    def key(pair: Pair) -> tuple[bytes, str, str]:
        place = hashlib.sha256(f"{seed}\0{pair.split_key}".encode()).digest()
        return place, pair.source, pair.target

    return key, ("hash", seed)


def _count(size: float | None, total: int) -> int:
    if size is None:
        return max(1, min(round(_SHARE * total), _MOST))
    return max(1, round(size * total)) if size < 1 else int(size)


_SHARE, _MOST = 0.1, 2000


def _cut(
    pairs: Sequence[Pair], count: int, given: tuple[Pair, ...] | None
) -> tuple[tuple[Pair, ...], Sequence[Pair]]:
    """The first pairs, whole groups of one key, and the rest."""
    if given is not None:
        return given, pairs
    taken: list[Pair] = []
    weight = 0
    for pair in pairs:
        if len(taken) >= count and pair.split_key != taken[-1].split_key:
            break
        taken.append(pair)
        weight += weight_of(pair)
        if len(taken) % _LOOKED == 0 and isinstance(pairs, Shelf) and spill.scarce(weight):
            raise UserError(
                f"data.test_size: dev and test pairs, and an index of them to find leaks with, are "
                f"held in memory, which has no room for {count:,} of {len(pairs):,} pairs; hold "
                "out fewer, for example data.test_size=1000 data.dev_size=500"
            )
    return tuple(taken), pairs[len(taken) :]
