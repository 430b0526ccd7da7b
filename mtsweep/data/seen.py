"""Which texts came before, by digests of 8 bytes: little memory for many of them."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FEW = 50_000
"""Texts up to which a set is as good, and needs no library."""


class Seen:
    """Remembers texts in 8 bytes each, twice that at times.

    Two of a hundred million texts share a digest with a probability of 3 in 10,000; the later one
    would be taken for a repetition.
    """

    def __init__(self) -> None:
        self._few: set[int] = set()
        self._sorted: list[NDArray[np.uint64]] = []
        """Digests, in pieces of which each is more than twice as long as the next."""

    def new(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text is there for the first time; it is known from then on."""
        digests = b"".join(blake2b(text.encode(), digest_size=8).digest() for text in texts)
        if not self._sorted:
            told = []
            for start in range(0, len(digests), 8):
                before = len(self._few)
                self._few.add(int.from_bytes(digests[start : start + 8], "little"))
                told.append(len(self._few) > before)
            if len(self._few) > _FEW:
                self._settle()
            return told
        return self._looked_up(digests)

    def _settle(self) -> None:
        import numpy as np

        self._sorted = [np.sort(np.fromiter(self._few, np.uint64, len(self._few)))]
        self._few = set()

    def _looked_up(self, digests: bytes) -> list[bool]:
        import numpy as np

        asked, first = np.unique(np.frombuffer(digests, "<u8"), return_index=True)
        fresh = np.ones(len(asked), bool)
        for piece in self._sorted:
            places = np.searchsorted(piece, asked)
            places[places == len(piece)] = 0
            fresh &= piece[places] != asked
        told = np.zeros(len(digests) // 8, bool)
        told[first[fresh]] = True
        self._add(asked[fresh])
        return told.tolist()

    def _add(self, piece: NDArray[np.uint64]) -> None:
        import numpy as np

        while self._sorted and len(self._sorted[-1]) <= 2 * len(piece):
            piece = np.concatenate((self._sorted.pop(), piece))
            piece.sort(kind="stable")
        if len(piece):
            self._sorted.append(piece)
