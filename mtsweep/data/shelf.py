"""Pairs on disk: a sequence that is read a batch at a time, and what writes one.

A shelf is an Arrow file of its own; only the batch that is looked at is in memory. What memory has
room for stays a tuple (``spill.py``).
"""

from __future__ import annotations

import json
import sys
import weakref
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cached_property, lru_cache
from itertools import accumulate, starmap
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, overload

from mtsweep.data.pairs import Conversation, Message, Pair, digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PORTION = 2**21
"""Bytes of pairs in memory that are written, or cleaned, together, at most."""
_ROWS = 4096
"""Pairs that are written together, at most."""
_OBJECTS = 250
"""Bytes of a pair in memory beside its texts."""
_ABOUT, _COUNTS = b"about", b"counts"
"""What the last batch, which is empty, tells."""
_COLUMNS = ("id", "source", "target", "origin", "split_key", "languages", "messages")

Edit = Callable[[Pair], Pair]


class Shelf(Sequence[Pair]):
    """Pairs that lie on disk, as a sequence that is not changed.

    Args:
        batches: The file.
        places: Of the pairs in it, in the order of the sequence; ``None``: all of them.
        order: Name of the order that they stand in.
        edit: Done to each pair that is read.
    """

    def __init__(
        self,
        batches: Batches,
        places: range | NDArray[np.int64] | None = None,
        order: object = None,
        edit: Edit | None = None,
    ) -> None:
        self._batches = batches
        self._places = range(batches.ends[-1]) if places is None else places
        self.order = order
        self._edit = edit
        self.again: Callable[[str], Sequence[Pair]] | None = None
        """Makes the same pairs in another process, given their digest; ``None``: they travel."""

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> Shelf: ...
    def __getitem__(self, index: int | slice) -> Pair | Shelf:
        if isinstance(index, slice):
            return Shelf(self._batches, self._places[index], self.order, self._edit)
        pair = self._batches.pair(int(self._places[index]))
        return self._edit(pair) if self._edit else pair

    def __iter__(self) -> Iterator[Pair]:
        found = self._batches.pairs(self._places)
        return map(self._edit, found) if self._edit else found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Shelf | tuple | list) or len(self) != len(other):
            return False
        return all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Callable[..., Sequence[Pair]], tuple[object, ...]]:
        """What travels to another process: how they are made again, rather than the pairs."""
        return (self.again, (self._digest,)) if self.again else (tuple, ([*self],))

    @cached_property
    def _digest(self) -> str:
        return digest(self)

    def at(self, places: Sequence[int] | NDArray[np.int64]) -> Shelf:
        """Those that stand at places of this sequence."""
        import numpy as np

        chosen = np.asarray(places, np.int64)
        if isinstance(self._places, range):
            chosen = self._places.start + chosen * self._places.step
        else:
            chosen = self._places[chosen]
        return Shelf(self._batches, chosen, self.order, self._edit)

    def edited(self, edit: Edit) -> Shelf:
        """The same pairs with a change to each, made when it is read."""
        before = self._edit
        both = edit if before is None else lambda pair: edit(before(pair))
        return Shelf(self._batches, self._places, self.order, both)


class Batches:
    """Reads an Arrow file of pairs, a batch at a time.

    Args:
        file: Open for reading; closed with this object.
        end: Where the Arrow file ends in it.
    """

    def __init__(self, file: IO[bytes], end: int) -> None:
        import pyarrow as pa

        weakref.finalize(self, file.close)
        self._arrow: Any = pa.ipc.open_file(file, footer_offset=end)
        self._lock = Lock()
        last = self._arrow.num_record_batches - 1
        about = self._arrow.get_batch_with_custom_metadata(last).custom_metadata
        self.told: dict[str, Any] = json.loads(about[_ABOUT])
        """What was written beside the pairs."""
        self.ends = list(accumulate(json.loads(about[_COUNTS]), initial=0))
        """Pairs before each batch, and of all."""
        self._last: tuple[int, list[Pair]] = (-1, [])

    def batch(self, number: int) -> list[Pair]:
        """All pairs of a batch."""
        last = self._last
        if last[0] == number:
            return last[1]
        with self._lock:
            columns = [each.to_pylist() for each in self._arrow.get_batch(number).columns]
        found = _pairs(*columns)
        self._last = number, found
        return found

    def pair(self, place: int) -> Pair:
        """The pair at a place."""
        number = bisect_right(self.ends, place) - 1
        return self.batch(number)[place - self.ends[number]]

    def pairs(self, places: range | NDArray[np.int64]) -> Iterator[Pair]:
        """Pairs at places, in their order; those of one batch are read together."""
        import numpy as np

        for first in range(0, len(places), _ROWS):
            block = np.asarray(places[first : first + _ROWS], np.int64)
            numbers = np.searchsorted(self.ends, block, side="right") - 1
            turns = np.flatnonzero(np.diff(numbers)) + 1
            for run in np.split(np.arange(len(block)), turns):
                number = int(numbers[run[0]])
                rows, begin = self.batch(number), self.ends[number]
                for place in (block[run] - begin).tolist():
                    yield rows[place]


class Writer:
    """Writes pairs to an Arrow file.

    Args:
        file: Open for writing, and for reading where :meth:`read` is asked for.
    """

    def __init__(self, file: IO[bytes]) -> None:
        import pyarrow as pa

        self._file = file
        self._schema = pa.schema([(name, pa.string()) for name in _COLUMNS])
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        self._arrow: Any = pa.ipc.new_file(file, self._schema, options=options)
        self._counts: list[int] = []
        self.weight = 0
        """Bytes that what was written takes in memory, about."""

    def batch(self, pairs: Sequence[Pair]) -> int:
        """Write some pairs, and tell the number of their batch."""
        import pyarrow as pa

        columns = zip(*map(_cells, pairs), strict=True)
        arrays = [pa.array(column, pa.string()) for column in columns]
        self._arrow.write_batch(pa.record_batch(arrays, schema=self._schema))
        self._counts.append(len(pairs))
        self.weight += sum(map(weight_of, pairs))
        return len(self._counts) - 1

    def all(self, pairs: Iterable[Pair]) -> None:
        """Write pairs, as many in a batch as memory shall hold."""
        for some in portions(pairs, _ROWS):
            self.batch(some)

    def close(self, told: Mapping[str, Any] | None = None) -> int:
        """End the Arrow file with what there is to tell beside the pairs; where it ends."""
        import pyarrow as pa

        nothing: Any = pa.record_batch([[]] * len(_COLUMNS), schema=self._schema)
        about = {_ABOUT: _json(told or {}), _COUNTS: _json(self._counts)}
        self._arrow.write_batch(nothing, about)
        self._arrow.close()
        self._file.flush()
        return self._file.tell()

    def read(self) -> Batches:
        """What was written, as it is read."""
        return Batches(self._file, self.close())


def portions(pairs: Iterable[Pair], most: int) -> Iterator[list[Pair]]:
    """Pairs, so many at a time at most, and fewer where they are long."""
    some: list[Pair] = []
    weight = 0
    for pair in pairs:
        some.append(pair)
        weight += weight_of(pair)
        if weight >= _PORTION or len(some) == most:
            yield some
            some, weight = [], 0
    if some:
        yield some


def weight_of(pair: Pair) -> int:
    """Bytes that a pair takes in memory, about."""
    texts = sum(map(sys.getsizeof, (pair.source, pair.target, pair.split_key)))
    return _OBJECTS + (2 if isinstance(pair, Conversation) else 1) * texts


def _cells(pair: Pair) -> tuple[str | None, ...]:
    """A pair as the cells of a row."""
    spoken = " ".join(pair.languages) if pair.languages else None
    turns = None
    if isinstance(pair, Conversation):
        turns = _json([[turn.role, turn.content] for turn in pair.messages])
    return pair.id, pair.source, pair.target, pair.origin, pair.split_key, spoken, turns


def _pairs(*columns: list[Any]) -> list[Pair]:
    """Rows, by column, as pairs."""
    *plain, spoken, turns = columns
    languages = [_spoken(each) for each in spoken] if any(spoken) else spoken
    pairs = list(map(Pair, *plain, languages))
    for place, told in enumerate(turns):
        if told is not None:
            pair = pairs[place]
            values = (getattr(pair, field.name) for field in fields(Pair))
            pairs[place] = Conversation(*values, messages=tuple(starmap(Message, json.loads(told))))
    return pairs


def _json(told: object) -> str:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=64)
def _spoken(told: str | None) -> tuple[str, str] | None:
    if told is None:
        return None
    source, _, target = told.partition(" ")
    return source, target
