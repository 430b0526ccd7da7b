"""Pairs in memory where it has room for them, else on disk: as they come, sorted, or chosen."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import IO

from mtsweep import device, store
from mtsweep.data.pairs import Pair
from mtsweep.data.shelf import Shelf, Writer, weight_of
from mtsweep.errors import UserError

HELD = 2**30
"""Bytes of pairs that are held in memory; more of them lie on disk."""
_BEHIND = 8
"""Times the memory that pairs take that must be left, or they go to disk before that."""
_LOOKED = 1000
"""Pairs from one look at their weight to the next."""
_PARTED = 2**26
"""Bytes of pairs in memory while they are parted for sorting, at most."""
_SHARED = 16
"""The same as a part of the memory that is left."""

Key = Callable[[Pair], tuple[bytes, str, str]]
"""What pairs are sorted by; its first byte parts them into 256 about equal heaps."""


def gathered(pairs: Iterable[Pair], key: Key, order: object) -> tuple[Pair, ...] | Shelf:
    """Pairs in the order they come, where memory has room for them; else on disk, sorted.

    Args:
        pairs: Gone through once.
        key: What they are sorted by on disk.
        order: Name of that order.
    """
    held, more = _held(pairs)
    return tuple(held) if more is None else _sorted(chain(_given_up(held), more), key, order)


def ordered(pairs: Iterable[Pair], key: Key, order: object) -> tuple[Pair, ...] | Shelf:
    """Pairs sorted by a key, on disk where memory has no room for them; equals as they came."""
    if isinstance(pairs, Shelf) and pairs.order == order:
        return pairs
    found = gathered(pairs, key, order)
    return found if isinstance(found, Shelf) else tuple(sorted(found, key=key))


def like(whole: Sequence[Pair], pairs: Iterable[Pair]) -> tuple[Pair, ...] | Shelf:
    """Pairs that were made of a sequence, in their order: on disk if it is there."""
    return _written(pairs, whole.order) if isinstance(whole, Shelf) else tuple(pairs)


def chosen(pairs: Sequence[Pair], places: Sequence[int]) -> tuple[Pair, ...] | Shelf:
    """The pairs at places, which rise."""
    if isinstance(pairs, Shelf):
        return pairs.at(places)
    return tuple(pairs[place] for place in places)


def one_behind_other(first: Sequence[Pair], then: Sequence[Pair]) -> Sequence[Pair]:
    """Both in one sequence: on disk if one of them is."""
    if isinstance(first, Shelf) or isinstance(then, Shelf):
        return _written(chain(first, then), None) if first and then else (first or then)
    return (*first, *then)


def _held(pairs: Iterable[Pair]) -> tuple[deque[Pair], Iterator[Pair] | None]:
    """Pairs as far as memory shall hold them, and the rest where there is any."""
    held: deque[Pair] = deque()
    rest = iter(pairs)
    weight = 0
    for number, pair in enumerate(rest, start=1):
        held.append(pair)
        weight += weight_of(pair)
        if number % _LOOKED == 0 and (weight > HELD or scarce(weight)):
            return held, rest
    return held, None


def _room() -> int:
    """Bytes that pairs may take while they are parted."""
    left = device.left()
    return _PARTED if left is None else min(_PARTED, left // _SHARED)


def scarce(weight: int) -> bool:
    """Whether pairs of a weight leave too little memory for what is made of them."""
    left = device.left()
    return left is not None and left < _BEHIND * weight


def _given_up(held: deque[Pair]) -> Iterator[Pair]:
    while held:
        yield held.popleft()


def _sorted(pairs: Iterable[Pair], key: Key, order: object) -> Shelf:
    """Pairs on disk in the order of a key: parted into heaps by it, each of which is sorted."""
    with _file() as file:
        parted = Writer(file)
        heaps: list[list[int]] = [[] for _ in range(256)]
        waiting: list[list[Pair]] = [[] for _ in heaps]
        weight, room = 0, _room()

        def put_away() -> None:
            for heap, some in zip(heaps, waiting, strict=True):
                if some:
                    heap.append(parted.batch(some))
                    some.clear()

        for pair in pairs:
            waiting[key(pair)[0][0]].append(pair)
            weight += weight_of(pair)
            if weight >= room:
                put_away()
                weight = 0
        put_away()
        batches = parted.read()
        return _written(chain.from_iterable(
            sorted(chain.from_iterable(map(batches.batch, heap)), key=key) for heap in heaps
        ), order)  # fmt: skip


def _written(pairs: Iterable[Pair], order: object) -> Shelf:
    with _file() as file:
        writer = Writer(file)
        writer.all(pairs)
        return Shelf(writer.read(), order=order)


@contextlib.contextmanager
def _file() -> Iterator[IO[bytes]]:
    """A file that is gone when nobody has it open, for what is read from it as long as it is.

    Raises:
        UserError: if the disk is full.
    """
    file = store.scratch()
    try:
        yield file
    except BaseException as error:
        with contextlib.suppress(OSError):
            file.close()
        if not isinstance(error, OSError):
            raise
        raise UserError(
            "data.sample: "
            + store.no_room(error, "the pairs", "take some of them with data.sample=100000")
        ) from error
