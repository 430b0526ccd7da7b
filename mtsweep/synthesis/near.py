"""Near duplicates: MinHash bands (datasketch) in a temporary SQLite file, so memory stays flat."""

from __future__ import annotations

import sqlite3
from functools import cache, lru_cache
from typing import Any

from mtsweep.data.pairs import fold

_GRAM = 4
_BANDS, _ROWS = 16, 4
"""A pair of similarity 0.8 shares one of 16 bands of 4 values with probability 0.9998."""


class NearIndex:
    """Texts, and whether another one is nearly one of them."""

    def __init__(self, similarity: float) -> None:
        self.similarity = similarity
        self._db = sqlite3.connect("")  # on disk, gone when closed
        self._db.execute("create table exact (hash integer primary key)")
        self._db.execute("create table texts (id integer primary key, text text)")
        self._db.execute("create table bands (band blob, id integer)")
        self._db.execute("create index by_band on bands (band)")

    def add(self, text: str) -> None:
        """Remember a text."""
        folded = fold(text)
        self._db.execute("insert or ignore into exact values (?)", (hash(folded),))
        if self.similarity < 1:
            row = self._db.execute("insert into texts (text) values (?)", (folded,)).lastrowid
            rows = [(band, row) for band in _bands(folded)]
            self._db.executemany("insert into bands values (?, ?)", rows)

    def exact(self, text: str) -> bool:
        """Whether the text was added, case and white space apart."""
        found = self._db.execute("select 1 from exact where hash = ?", (hash(fold(text)),))
        return found.fetchone() is not None

    def near(self, text: str) -> str | None:
        """A text that was added and shares the 4-grams of this one; ``None`` if there is none."""
        if self.similarity >= 1:
            return None
        folded = fold(text)
        bands = _bands(folded)
        marks = ",".join("?" * len(bands))
        found = self._db.execute(
            "select text from texts where id in "
            f"(select distinct id from bands where band in ({marks}))",
            bands,
        )
        own = _grams(folded)
        for (other,) in found:
            theirs = _grams(other)
            if len(own & theirs) >= self.similarity * len(own | theirs):
                return other
        return None


def _grams(text: str) -> set[str]:
    return {text[start : start + _GRAM] for start in range(max(1, len(text) - _GRAM + 1))}


@lru_cache(maxsize=64)  # a text is looked for in several indices, and then added to one
def _bands(text: str) -> tuple[bytes, ...]:
    sketch = _empty().copy()
    sketch.update_batch([gram.encode("utf-8", "surrogatepass") for gram in _grams(text)])
    values = sketch.hashvalues
    return tuple(
        bytes([band]) + values[band * _ROWS : (band + 1) * _ROWS].tobytes()
        for band in range(_BANDS)
    )


@cache
def _empty() -> Any:  # noqa: ANN401 - datasketch is imported late
    from datasketch import MinHash

    return MinHash(num_perm=_BANDS * _ROWS, seed=1)
