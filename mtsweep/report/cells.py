"""A score beside its base row's, as tables show it."""

from __future__ import annotations

from dataclasses import dataclass

from mtsweep.scores import Score


@dataclass(frozen=True)
class Cell:
    """A score in a table."""

    value: float
    low: float | None
    high: float | None
    delta: float | None
    """Difference to the base row."""
    better: bool
    worse: bool
    tied: bool
    """Not shown to be worse than the best of the column, where that was judged."""


def cell(score: Score, base: Score | None, *, tied: bool = False) -> Cell:
    """A score, and how far it is from that of the base row."""
    delta = score.value - base.value if base else None
    gain = score.sign * (delta or 0.0)
    return Cell(score.value, score.low, score.high, delta, gain > 0, gain < 0, tied)
