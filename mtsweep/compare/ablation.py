"""What each setting does to a score: curves, grids, shares of the variance, cost beside quality.

Plain values for whoever draws or prints them. Intervals come from the resamples of the judgement:
every curve, fit and share is computed again for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from mtsweep.compare.fit import Fit, fitted
from mtsweep.compare.settings import Setting, flat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

AMOUNTS = ("data.size", "trainer.max_steps", "trainer.num_train_epochs", "lora.r")
"""Axes of which more costs more: a curve is fitted that may level off."""
COSTS = ("seconds_train", "peak_memory_bytes", "trainable_parameters", "adapter_bytes")
_WIDE = 4.0
"""Largest over smallest value, from which an axis is drawn on a logarithmic scale."""

Value = float | str


@dataclass(frozen=True)
class Point:
    """A score at a value of an axis."""

    x: Value
    value: float
    low: float
    high: float
    """Ends of the 95 % interval."""
    row: str
    """Key of the row."""


@dataclass(frozen=True)
class Line:
    """Settings that differ in one axis alone."""

    held: Mapping[str, Value]
    """The other axes, which are the same for all points."""
    points: tuple[Point, ...]
    """By value where values are numbers, else in the order that they came."""
    fit: Fit | None
    """Of an amount with three values or more."""


@dataclass(frozen=True)
class Curve:
    """One axis: a line for each combination of the others."""

    axis: str
    numeric: bool
    """Whether it is drawn as lines; names are drawn as grouped bars."""
    log: bool
    """Whether a logarithmic scale fits."""
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Grid:
    """Two axes: a heat map."""

    across: str
    down: str
    columns: tuple[Value, ...]
    lines: tuple[Value, ...]
    cells: tuple[tuple[float | None, ...], ...]
    """Mean score over what else varies, line by line; ``None`` where nothing ran."""


@dataclass(frozen=True)
class Share:
    """How much of the variance between settings goes with an axis."""

    axis: str
    share: float
    """Main effect, from 0 to 1, beyond what the other axes explain."""
    low: float
    high: float
    noise: float
    """The share that resampled segments and seeds alone would give it, in the mean."""
    p: float
    """How often they alone give it as much."""


@dataclass(frozen=True)
class Spent:
    """A setting on a cost and the score."""

    row: str
    cost: float
    value: float
    front: bool
    """Whether no other setting is at least as good for less (Pareto)."""


@dataclass(frozen=True)
class Ablation:
    """All of it, for one metric over settings that may be ranked together."""

    metric: str
    members: tuple[str, ...]
    """Keys of the rows, those of the verdict."""
    curves: tuple[Curve, ...]
    grids: tuple[Grid, ...]
    shares: tuple[Share, ...]
    """Largest first; of two axes or more."""
    costs: Mapping[str, tuple[Spent, ...]]
    """By the field of a record's cost; base rows are among the settings."""


def ablate(
    metric: str,
    members: Sequence[Setting],
    axes: Sequence[str],
    values: Mapping[str, float],
    moved: Mapping[str, Array],
    *,
    higher: bool,
) -> Ablation:
    """What the axes did.

    Args:
        metric: Its name.
        members: Settings of one pool, base rows among them.
        axes: Keys in which its runs differ.
        values: Score of each setting, by key.
        moved: The same under every resample.
        higher: Whether higher is better.
    """
    runs = [each for each in members if not each.base]
    table = {each.key: _values(each, axes) for each in runs}
    lively = [axis for axis in axes if len({table[each.key][axis] for each in runs}) > 1]
    curves = [_curve(axis, lively, table, values, moved) for axis in lively]
    grids = [_grid(*pair, table, values) for pair in combinations(lively, 2)]
    return Ablation(
        metric=metric,
        members=tuple(each.key for each in members),
        curves=tuple(curve for curve in curves if curve.lines),
        grids=tuple(grids),
        shares=tuple(_shares(lively, table, values, moved)) if len(lively) > 1 else (),
        costs={cost: _spent(cost, members, values, higher=higher) for cost in COSTS},
    )


def _values(setting: Setting, axes: Sequence[str]) -> dict[str, Value]:
    config = dict(flat(setting.record.config))
    told = {axis: _value(config.get(axis)) for axis in axes}
    if told.get("data.size") == "null" and isinstance(setting.record.data.get("train"), int):
        told["data.size"] = float(setting.record.data["train"])  # null: as many as there are
    return told


def _value(value: Any) -> Value:  # noqa: ANN401 - whatever YAML holds
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list):
        return "[" + ",".join(map(str, value)) + "]"
    return "null" if value is None else str(value)


def _ordered(values: Sequence[Value]) -> list[Value]:
    """Distinct values: numbers by size and before names, names as they came."""
    distinct = list(dict.fromkeys(values))
    numbers = sorted(value for value in distinct if not isinstance(value, str))
    return [*numbers, *(value for value in distinct if isinstance(value, str))]


def _curve(
    axis: str,
    axes: Sequence[str],
    table: Mapping[str, Mapping[str, Value]],
    values: Mapping[str, float],
    moved: Mapping[str, Array],
) -> Curve:
    grouped: dict[tuple[tuple[str, Value], ...], list[str]] = {}
    for key, told in table.items():
        held = tuple((name, told[name]) for name in axes if name != axis)
        grouped.setdefault(held, []).append(key)
    xs = [told[axis] for told in table.values()]
    numbers = [x for x in xs if not isinstance(x, str)]
    numeric = len(numbers) == len(xs)
    order = _ordered(xs)
    lines = []
    for held, keys in grouped.items():
        keys.sort(key=lambda key: order.index(table[key][axis]))
        if len({table[key][axis] for key in keys}) > 1:
            points = [_point(key, table[key][axis], values, moved) for key in keys]
            amount = axis in AMOUNTS and numeric and min(numbers) > 0
            fit = fitted(
                [float(point.x) for point in points],
                [point.value for point in points],
                [moved[point.row] for point in points],
            ) if amount else None  # fmt: skip
            lines.append(Line(dict(held), tuple(points), fit))
    log = numeric and min(numbers) > 0 and max(numbers) / min(numbers) >= _WIDE
    return Curve(axis, numeric, log, tuple(lines))


def _point(key: str, x: Value, values: Mapping[str, float], moved: Mapping[str, Array]) -> Point:
    import numpy as np

    low, high = np.percentile(moved[key], [2.5, 97.5])
    return Point(x, values[key], float(low), float(high), key)


def _grid(
    across: str,
    down: str,
    table: Mapping[str, Mapping[str, Value]],
    values: Mapping[str, float],
) -> Grid:
    columns = _ordered([told[across] for told in table.values()])
    lines = _ordered([told[down] for told in table.values()])

    def cell(line: Value, column: Value) -> float | None:
        inside = [
            values[key]
            for key, told in table.items()
            if told[across] == column and told[down] == line
        ]
        return sum(inside) / len(inside) if inside else None

    cells = tuple(tuple(cell(line, column) for column in columns) for line in lines)
    return Grid(across, down, tuple(columns), tuple(lines), cells)


def _shares(
    axes: Sequence[str],
    table: Mapping[str, Mapping[str, Value]],
    values: Mapping[str, float],
    moved: Mapping[str, Array],
) -> list[Share]:
    import numpy as np

    keys = list(table)
    observed = np.array([values[key] for key in keys])
    drawn = np.stack([moved[key] for key in keys])  # settings x resamples
    noise = drawn - drawn.mean(axis=1, keepdims=True)
    coded = {axis: _coded([table[key][axis] for key in keys]) for axis in axes}
    # settings x (observed, noise alone, both)
    everything = np.concatenate([observed[:, None], noise, observed[:, None] + noise], axis=1)
    everything = everything - everything.mean(axis=0)
    total = (everything**2).sum(axis=0)
    full = _left(list(coded.values()), everything)
    count = drawn.shape[1]
    told = []
    for axis in axes:
        rest = [codes for other, codes in coded.items() if other != axis]
        squares = _left(rest, everything) - full
        alone, both = squares[1 : count + 1], squares[count + 1 :]
        if total[0] <= 0:
            continue
        low, high = np.percentile(both / np.maximum(total[count + 1 :], 1e-12), [2.5, 97.5])
        beyond = int((alone >= squares[0]).sum())
        told.append(
            Share(axis, float(squares[0] / total[0]), float(low), float(high),
                  float(alone.mean() / total[0]), (beyond + 1) / (count + 1))
        )  # fmt: skip
    return sorted(told, key=lambda each: -each.share)


def _coded(values: Sequence[Value]) -> Array:
    """One column for each value but the first."""
    import numpy as np

    distinct = list(dict.fromkeys(values))
    return np.array([[float(value == each) for each in distinct[1:]] for value in values])


def _left(coded: Sequence[Array], figures: Array) -> Array:
    """Squares that main effects leave unexplained, of every column of figures."""
    import numpy as np

    design = np.concatenate([np.ones((len(figures), 1)), *coded], axis=1)
    solved, *_ = np.linalg.lstsq(design, figures, rcond=None)
    return ((figures - design @ solved) ** 2).sum(axis=0)


def _spent(
    name: str, members: Sequence[Setting], values: Mapping[str, float], *, higher: bool
) -> tuple[Spent, ...]:
    sign = 1 if higher else -1
    points = []
    for each in members:
        costs = [float(getattr(record.cost, name)) for _, record in each.members]
        points.append((each.key, sum(costs) / len(costs), values[each.key]))

    best = front([(cost, sign * value) for _, cost, value in points])
    return tuple(
        Spent(key, cost, value, own) for (key, cost, value), own in zip(points, best, strict=True)
    )


def front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Whether no other point is at least as good for no more (Pareto), point by point.

    Args:
        points: Cost and value; the higher value is better.
    """
    return [
        not any(
            other <= cost and score >= value and (other, score) != (cost, value)
            for other, score in points
        )
        for cost, value in points
    ]
