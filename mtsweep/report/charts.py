"""Charts as plain values: drawn by plotly in the page and by matplotlib beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Number = float | None
"""``None`` where there is nothing to draw."""


@dataclass(frozen=True)
class Series:
    """One line, or one set of points or bars."""

    name: str
    x: Sequence[float | str]
    y: Sequence[Number]
    low: Sequence[Number] | None = None
    """Lower ends of the intervals around ``y``."""
    high: Sequence[Number] | None = None
    text: Sequence[str] | None = None
    """What each point is called."""
    colour: int | None = None
    """Number in the palette; ``None`` is the colour of what is only for comparison."""
    style: Literal["line", "dash", "points"] = "line"


@dataclass(frozen=True)
class Chart:
    """Series over shared axes."""

    name: str
    """Of its file and of its place in the page."""
    title: str
    x_title: str
    y_title: str
    series: tuple[Series, ...]
    note: str = ""
    bars: bool = False
    log_x: bool = False
    from_zero: bool = False
    """Whether the x axis begins at 0."""
    labelled: bool = False
    """Whether points are labelled in the picture, not only when pointed at."""


@dataclass(frozen=True)
class Heat:
    """A matrix of values, by column and row names."""

    name: str
    title: str
    x: Sequence[str]
    y: Sequence[str]
    values: Sequence[Sequence[Number]]
    text: Sequence[Sequence[str]]
    """What stands in each cell."""
    x_title: str = ""
    y_title: str = ""
    note: str = ""
    scale: Literal["level", "doubt"] = "level"
    """``level``: more is stronger; ``doubt``: from 0 (sure) to 1 (no evidence)."""


Picture = Chart | Heat

PALETTE = (
    "#3366cc", "#d9822b", "#1b9e77", "#b5409a", "#7a5195", "#c0392b", "#0e8fa8", "#8a6d1d",
)  # fmt: skip
"""Colours of runs on white paper; the page has lighter ones of its own for the dark."""


def thinned(values: Sequence[tuple[float, float]], most: int = 300) -> list[tuple[float, float]]:
    """A curve with at most about ``most`` points; its first and last ones stay."""
    if len(values) <= most:
        return list(values)
    stride = (len(values) - 1) / (most - 1)
    return [values[round(index * stride)] for index in range(most)]
