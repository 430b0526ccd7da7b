"""Rows to pairs with an account: what is malformed is counted, and told where it is too much."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from mtsweep.data.columns import LeftOutError, Make, UnreadableRowError
from mtsweep.data.pairs import EXAMPLES, Pair
from mtsweep.data.rows import Malformed, Row
from mtsweep.data.split import gathered
from mtsweep.errors import UserError

_BEARABLE = 0.01
"""Share of malformed rows from which a file is refused."""
MALFORMED = "malformed"
_TOLD = 3
"""Malformed rows of a file that are told with line and reason; all of them are counted."""


class Tally:
    """Counts what is left out, and remembers the first malformed row of each file.

    Args:
        strict: Refuse any malformed row.
    """

    def __init__(self, *, strict: bool) -> None:
        self.dropped: Counter[str] = Counter()
        self.left_out: dict[str, tuple[tuple[str, str], ...]] = {}
        """The first texts that were left out for each reason."""
        self.malformed: list[str] = []
        """Where the first malformed rows of each file stand, and why they are none."""
        self._strict = strict

    def drop(self, reason: str, source: str, target: str) -> None:
        """Count what is left out, and keep the first few of each reason."""
        self.dropped[reason] += 1
        if self.dropped[reason] <= EXAMPLES:
            self.left_out[reason] = (*self.left_out.get(reason, ()), (source, target))

    def pairs(
        self, rows: Iterable[Row | Malformed], make: Make, where: str, name: str, origin: str
    ) -> Iterator[Pair]:
        """The pairs of a file.

        Args:
            rows: Of the file.
            make: What makes a pair of a row.
            where: Key and path, for complaints.
            name: What ids begin with.
            origin: Of the pairs.

        Raises:
            UserError: at the end, if more than 1 % of the rows are malformed; at once if strict.
        """
        seen, bad = 0, 0
        told_of: list[str] = []
        for row in rows:
            seen += 1
            if isinstance(row, Malformed):
                told = row
            else:
                try:
                    yield make(row.values, f"{name}:{row.number}", origin)
                    continue
                except LeftOutError as reason:
                    self.drop(str(reason), reason.source, reason.target)
                    continue
                except UnreadableRowError as error:
                    told = Malformed(row.number, str(error))
            bad += 1
            if bad <= _TOLD:
                told_of.append(f"{where}, line {told.number}: {told.reason}")
            if self._strict:
                raise UserError(f"{told_of[0]} (data.strict refuses any malformed row)")
        if bad > _BEARABLE * seen:
            many = f" ({bad} of {seen} rows are malformed; up to 1 % would be passed over)"
            raise UserError(told_of[0] + (many if bad > 1 else ""))
        if bad:
            self.dropped[MALFORMED] += bad
            self.malformed.extend(told_of)


def sampled(pairs: Iterable[Pair], count: int | None, seed: int) -> Sequence[Pair]:
    """At most ``count`` pairs, chosen by a hash of their content, in the order they came.

    What is held at any time is ``count`` pairs, however many there are. Of all pairs (``None``),
    those that memory has no room for lie on disk, in the order of the split.
    """
    if count is None:
        return gathered(pairs, seed)

    def place(numbered: tuple[int, Pair]) -> tuple[bytes, int]:
        text = f"{seed}\0{numbered[1].source}\0{numbered[1].target}"
        return hashlib.blake2b(text.encode(), digest_size=8).digest(), numbered[0]

    chosen = heapq.nsmallest(count, enumerate(pairs), key=place)
    return tuple(pair for _, pair in sorted(chosen, key=lambda numbered: numbered[0]))
