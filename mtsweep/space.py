"""The space of a search: what each key may be, and the points in it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mtsweep.errors import Problem

_PLACES = 12
"""Decimal places of a number in steps: what is behind them is how computers add."""

Point = Mapping[str, str]
"""Key, as Hydra takes it, to a value in Hydra's spelling."""

DIGITS = 3
"""Significant digits of a proposed number: no result hangs on the fourth."""


@dataclass(frozen=True)
class Choice:
    """A key with some values, without order."""

    key: str
    values: tuple[str, ...]

    @property
    def ends(self) -> tuple[str, ...]:
        """Values that stand for all of them when a space is checked."""
        return self.values

    @property
    def size(self) -> float:
        """Number of values."""
        return len(self.values)

    def complaint(self) -> str:
        """What is wrong with it; empty if nothing is."""
        return "" if self.values else "nothing to choose from"

    def __str__(self) -> str:
        return f"one of {', '.join(self.values)}"


@dataclass(frozen=True)
class Interval:
    """A key with the numbers between two bounds, both included."""

    key: str
    low: float
    high: float
    whole: bool = False
    """Whole numbers only."""
    log: bool = False
    """Every order of magnitude is as likely as any other."""
    step: float | None = None
    """Only ``low``, ``low + step``, …"""

    @property
    def ends(self) -> tuple[str, ...]:
        """Values that stand for all of them when a space is checked."""
        return tuple(dict.fromkeys((self.text(self.low), self.text(self.high))))

    @property
    def size(self) -> float:
        """Number of values; infinite where it is no use to count them."""
        step = self.step or (1 if self.whole else None)
        return math.inf if step is None else round((self.high - self.low) / step) + 1

    @property
    def values(self) -> tuple[str, ...]:
        """Every value, of a finite number."""
        step = self.step or 1
        return tuple(self.text(self.low + place * step) for place in range(int(self.size)))

    def text(self, value: float) -> str:
        """A value as it is set."""
        if self.whole:
            return str(round(value))
        rounded = round(value, _PLACES) if self.step else float(f"{value:.{DIGITS}g}")
        return repr(min(max(rounded, self.low), self.high))

    def complaint(self) -> str:
        """What is wrong with it; empty if nothing is."""
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            return f"from {self.low:g} to {self.high:g}: give finite bounds"
        if self.low >= self.high:
            return f"from {self.low:g} to {self.high:g}: the lower bound comes first"
        if self.log and self.low <= 0:
            return f"from {self.low:g} on a log scale: give a lower bound above 0"
        if self.log and self.step not in {None, 1}:
            return "a log scale has no steps; use tag(log, int(interval(a, b)))"
        return ""

    def __str__(self) -> str:
        kind = "whole numbers from" if self.whole else "from"
        step = f", in steps of {self.step:g}" if self.step not in {None, 1} else ""
        return f"{kind} {self.low:g} to {self.high:g}{', log scale' if self.log else step}"


Dimension = Choice | Interval


@dataclass(frozen=True)
class Space:
    """What a search may choose from."""

    dimensions: tuple[Dimension, ...]
    fixed: tuple[str, ...] = ()
    """Overrides that every run has."""
    seeds: tuple[str, ...] = ()
    """Overrides that make the replicates of a trial; none: one run, with the seed as it is set."""

    @property
    def size(self) -> float:
        """Number of points, or infinity."""
        return math.prod(each.size for each in self.dimensions)

    def corners(self) -> Iterator[Point]:
        """Points in which every choice and every bound occurs."""
        first = {each.key: each.ends[0] for each in self.dimensions}
        yield first
        for each in self.dimensions:
            for value in each.ends[1:]:
                yield {**first, each.key: value}

    def named(self, point: Point) -> str:
        """A point in words; a key goes by its last part where that tells it from the others."""
        keys = [shown(each.key) for each in self.dimensions]
        leaves = [key.rpartition(".")[2] for key in keys]
        names = [
            leaf if leaves.count(leaf) == 1 else key for key, leaf in zip(keys, leaves, strict=True)
        ]
        return ", ".join(
            f"{name}={point[each.key]}" for name, each in zip(names, self.dimensions, strict=True)
        )

    def points(self) -> Iterator[Point]:
        """Every point of a finite space."""
        keys = [each.key for each in self.dimensions]
        for values in itertools.product(*(each.values for each in self.dimensions)):
            yield dict(zip(keys, values, strict=True))

    def problems(self) -> list[Problem]:
        """What nobody can search."""
        if not self.dimensions:
            return [Problem("sweep.search", _EMPTY)]
        return [
            Problem(shown(each.key), complaint)
            for each in self.dimensions
            if (complaint := each.complaint() or _without_effect(shown(each.key)))
        ]

    def advice(self) -> list[str]:
        """What is likely to disappoint in it."""
        return [
            f"{shown(each.key)} spans {math.log10(each.high / each.low):.0f} orders of magnitude: "
            f"tag(log, interval({each.low:g},{each.high:g})) tries each of them as often"
            for each in self.dimensions
            if isinstance(each, Interval) and not each.log and each.high >= _WIDE * each.low > 0
        ]


_WIDE = 50
_EMPTY = (
    "a search needs a space: give at least one key as choice(4,8,16), interval(0,0.2), "
    "tag(log, interval(1e-5,1e-3)), int(interval(4,64)) or range(2,10,2)"
)
_TRAINED = ("model", "data", "lora", "trainer", "prompt")


def _without_effect(key: str) -> str:
    """Why a key cannot be searched over: what the dev set says does not hang on it."""
    if key.replace("/", ".").partition(".")[0] in _TRAINED:
        return ""
    return (
        "cannot be searched over: while a model is trained the dev set is translated greedily and "
        f"scored the same way for all; keys that can: {', '.join(f'{each}.*' for each in _TRAINED)}"
    )


def shown(key: str) -> str:
    """A key for people."""
    return key.lstrip("+")
