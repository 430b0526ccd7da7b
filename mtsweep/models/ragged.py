"""Rows of token ids in arrays, and many of them in a file that is read piece by piece."""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import IO, TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.integer]

Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows of ids, one behind the other in one array."""

    values: Array
    starts: Array
    """Where each row begins, and behind them the end of the last: ``rows + 1``."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Array:
        """Ids of each row."""
        return self.starts[1:] - self.starts[:-1]

    def rows(self) -> Iterator[list[int]]:
        """Each row as a list."""
        values, starts = self.values.tolist(), self.starts.tolist()
        return (values[start:end] for start, end in pairwise(starts))


class Pieces(Sequence[Value], Generic[Value]):
    """Values one behind the other in a file, each read when it is asked for.

    Args:
        file: What :meth:`write` wrote; may be closed from now on.
        end: Where it ends in the file.
        unpack: Bytes to a value.
    """

    def __init__(self, file: IO[bytes], end: int, unpack: Callable[[bytes], Value]) -> None:
        self.body = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))[:end]
        """All of it, which is read from the disk where it is looked at."""
        self._unpack = unpack
        size = int.from_bytes(self.body[-_WORD:], "little")
        self._ends: list[int] = json.loads(bytes(self.body[-_WORD - size : -_WORD]))

    @staticmethod
    def write(values: Iterable[Value], file: IO[bytes], pack: Callable[[Value], bytes]) -> None:
        """Write values to a file, and behind them where each ends."""
        ends = [0]
        for value in values:
            ends.append(ends[-1] + file.write(pack(value)))
        told = json.dumps(ends).encode()
        file.write(told + len(told).to_bytes(_WORD, "little"))
        file.flush()

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> Value: ...
    @overload
    def __getitem__(self, index: slice) -> list[Value]: ...
    def __getitem__(self, index: int | slice) -> Value | list[Value]:
        places = range(len(self))[index]
        return [self[each] for each in places] if isinstance(places, range) else self._at(places)

    def _at(self, place: int) -> Value:
        return self._unpack(bytes(self.body[self._ends[place] : self._ends[place + 1]]))


_WORD = 8


def ragged(rows: Sequence[Sequence[int]]) -> Ragged:
    """Rows in one array."""
    import numpy as np

    starts = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, rows), dtype=np.int64, count=len(rows)), out=starts[1:])
    every = chain.from_iterable(rows)
    return Ragged(np.fromiter(every, dtype=np.int32, count=int(starts[-1])), starts)


def array(values: Iterable[int]) -> Array:
    """Numbers in an array."""
    import numpy as np

    return np.array(list(values), dtype=np.int64)


def packed(**parts: Ragged | Array) -> bytes:
    """Arrays in the fewest bytes that their numbers need."""
    import numpy as np
    from safetensors.numpy import save

    told: dict[str, NDArray[Any]] = {}
    for name, part in parts.items():
        if isinstance(part, Ragged):
            told |= {name: part.values, f"{name}.lengths": part.lengths}
        else:
            told[name] = part
    small = {
        name: each.astype(np.uint16 if each.max(initial=0) < 2**16 else np.int32)
        for name, each in told.items()
    }
    return save(small)


class Unpacked:
    """What :func:`packed` made bytes of."""

    def __init__(self, body: bytes) -> None:
        from safetensors.numpy import load

        self._arrays: dict[str, NDArray[Any]] = load(body)

    def ragged(self, name: str) -> Ragged:
        """Rows."""
        import numpy as np

        lengths = self._arrays[f"{name}.lengths"]
        starts = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, out=starts[1:])
        return Ragged(self._arrays[name].astype(np.int32), starts)

    def array(self, name: str) -> Array:
        """Numbers."""
        return self._arrays[name].astype("int64")
