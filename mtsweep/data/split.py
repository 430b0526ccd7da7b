"""Train, dev and test: split by source text, seeded, nested in size.

Every pair is placed by a hash of its split key, so neither the order of the file nor other pairs
change where it falls, and a smaller ``data.size`` is a prefix of a larger one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import groupby

from mtsweep.data.pairs import Examples, Leak, Pair, Pool, Step
from mtsweep.errors import UserError


@dataclass(frozen=True)
class Parts:
    """A source, read and split."""

    train: tuple[Pair, ...]
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
        parts = (tuple(map(edit, part)) for part in (self.train, self.dev, self.test))
        train, dev, test = parts
        return replace(self, train=train, dev=dev, test=test)


def split(
    pool: Pool, test_size: float, dev_size: float, seed: int
) -> tuple[tuple[Pair, ...], tuple[Pair, ...], tuple[Pair, ...]]:
    """Train, dev and test pairs of a pool.

    Args:
        pool: Pairs of a source; parts that it brings along are kept as they are.
        test_size: Test pairs, a count from 1 up or a share below 1.
        dev_size: Dev pairs, likewise.
        seed: Another seed gives another split.

    Raises:
        UserError: if nothing is left to train on.
    """
    groups = _shuffled(pool.train, seed)
    total = len(pool.train)
    test, groups = _cut(groups, _count(test_size, total), given=pool.test)
    dev, groups = _cut(groups, _count(dev_size, total), given=pool.dev)
    test_keys = {pair.split_key for pair in test}
    held_out = test_keys | {pair.split_key for pair in dev}
    train = [pair for group in groups for pair in group if pair.split_key not in held_out]
    dev = tuple(pair for pair in dev if pair.split_key not in test_keys)
    if not (train and dev and test):
        raise UserError(
            f"data: {total} pairs cannot give {len(test)} test and {len(dev)} dev pairs and still "
            f"leave some to train on; lower data.test_size ({test_size:g}) and data.dev_size "
            f"({dev_size:g})"
        )
    return tuple(train), dev, test


def in_hash_order(pairs: Iterable[Pair], seed: int) -> tuple[Pair, ...]:
    """Pairs in an order that depends on each alone, so that a smaller size is a prefix.

    Source and target settle the order within a group, so that the file's order never does.
    """
    return tuple(sorted(pairs, key=lambda pair: (_place(pair, seed), pair.source, pair.target)))


def _place(pair: Pair, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{pair.split_key}".encode()).digest()


def _shuffled(pairs: tuple[Pair, ...], seed: int) -> list[list[Pair]]:
    ordered = in_hash_order(pairs, seed)
    return [list(group) for _, group in groupby(ordered, key=lambda pair: _place(pair, seed))]


def _count(size: float, total: int) -> int:
    return max(1, round(size * total)) if size < 1 else int(size)


def _cut(
    groups: list[list[Pair]], count: int, given: tuple[Pair, ...] | None
) -> tuple[tuple[Pair, ...], list[list[Pair]]]:
    if given is not None:
        return given, groups
    taken: list[Pair] = []
    for index, group in enumerate(groups):
        if len(taken) >= count:
            return tuple(taken), groups[index:]
        taken.extend(group)
    return tuple(taken), []
