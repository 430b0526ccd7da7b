"""Near duplicates: MinHash bands (datasketch) in a temporary SQLite file, so memory stays flat."""

from __future__ import annotations

import sqlite3

from mtsweep.data.pairs import fold

_GRAM = 4
_BANDS, _ROWS = 16, 4
"""A pair of similarity 0.8 shares one of 16 bands of 4 values with probability 0.9998."""


class NearIndex:
    """Texts, and whether another one is nearly one of them."""

    def __init__(self, similarity: float) -> None:
        self.similarity = similarity
        self._db = sqlite3.connect("")  # on disk, gone when closed
        self._db.execute("create table texts (id integer primary key, text text)")
        self._db.execute("create table bands (band blob, id integer)")
        self._db.execute("create index by_band on bands (band)")
        self._exact: set[int] = set()

    def add(self, text: str) -> None:
        """Remember a text."""
        folded = fold(text)
        self._exact.add(hash(folded))
        if self.similarity < 1:
            row = self._db.execute("insert into texts (text) values (?)", (folded,)).lastrowid
            rows = [(band, row) for band in _bands(folded)]
            self._db.executemany("insert into bands values (?, ?)", rows)

    def exact(self, text: str) -> bool:
        """Whether the text was added, case and white space apart."""
        return hash(fold(text)) in self._exact

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


def _bands(text: str) -> list[bytes]:
    from datasketch import MinHash

    sketch = MinHash(num_perm=_BANDS * _ROWS, seed=1)
    sketch.update_batch([gram.encode("utf-8", "surrogatepass") for gram in _grams(text)])
    values = sketch.hashvalues
    return [
        bytes([band]) + values[band * _ROWS : (band + 1) * _ROWS].tobytes()
        for band in range(_BANDS)
    ]
