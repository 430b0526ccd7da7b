"""Curves that level off: what twice as much would bring, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_FEWEST = 3
_BENT = 4
"""Values of the axis from which a bend is fitted too; fewer would follow any bend."""
_BENDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.4, 2.0)
_STEPS = 41


@dataclass(frozen=True)
class Gain:
    """What a step along the axis brings."""

    value: float
    low: float
    high: float
    """Ends of the 95 % interval, over segments and seeds; whether the curve holds is not in it."""


@dataclass(frozen=True)
class Fit:
    """``level + slope * (1 - (x / start)**-bend) / bend``; a line over log x where bend is 0.

    A power law, as learning curves are found to be (Hestness et al. 2017), fitted by least squares.
    """

    level: float
    """At the smallest value of the axis."""
    slope: float
    bend: float
    start: float
    """The smallest value of the axis."""
    doubling: Gain
    """In the mean, from the smallest to the largest value."""
    doubled: Gain
    """From the largest value to twice as much: beyond what was run."""
    misfit: float
    """Root of the mean squared distance of the points from the curve."""
    band: tuple[tuple[float, float, float, float], ...]
    """x, curve, low and high, from the smallest value to twice the largest."""


def fitted(xs: Sequence[float], values: Sequence[float], moved: Sequence[Array]) -> Fit | None:
    """Fit the curve to points, and again to each of their resamples.

    Args:
        xs: Of the points, all above 0.
        values: Their scores.
        moved: Their scores under the same resamples.

    Returns:
        The curve; ``None`` for fewer than three values of the axis.
    """
    import numpy as np

    distinct = len(set(xs))
    if distinct < _FEWEST:
        return None
    x = np.array(xs) / min(xs)
    # points x (observed, resamples)
    figures = np.concatenate([np.array(values)[:, None], np.stack(moved)], axis=1)
    bends = _BENDS if distinct >= _BENT else (0.0,)
    tried = [_least_squares(_basis(x, bend), figures) for bend in bends]
    chosen = np.argmin(np.stack([left for _, _, left in tried]), axis=0)
    columns = np.arange(figures.shape[1])
    level = np.stack([each for each, _, _ in tried])[chosen, columns]
    slope = np.stack([each for _, each, _ in tried])[chosen, columns]
    left = np.stack([each for _, _, each in tried])[chosen, columns]

    def at(place: float) -> Array:
        return level + slope * np.array([_basis(np.array(place), bend) for bend in bends])[chosen]

    top = float(x.max())
    places = np.geomspace(1.0, 2 * top, _STEPS)
    band = [(float(place * min(xs)), *_gain(at(place))) for place in places]
    return Fit(
        level=float(level[0]),
        slope=float(slope[0]),
        bend=bends[int(chosen[0])],
        start=min(xs),
        doubling=Gain(*_gain((at(top) - at(1.0)) / np.log2(top))),
        doubled=Gain(*_gain(at(2 * top) - at(top))),
        misfit=float(np.sqrt(left[0] / len(xs))),
        band=tuple(band),
    )


def _basis(x: Array, bend: float) -> Array:
    import numpy as np

    return np.log(x) if bend == 0 else (1 - x**-bend) / bend


def _least_squares(basis: Array, figures: Array) -> tuple[Array, Array, Array]:
    """Level, slope and squares left, for every column of figures."""
    import numpy as np

    design = np.stack([np.ones_like(basis), basis], axis=1)
    solved, *_ = np.linalg.lstsq(design, figures, rcond=None)
    return solved[0], solved[1], ((figures - design @ solved) ** 2).sum(axis=0)


def _gain(figures: Array) -> tuple[float, float, float]:
    import numpy as np

    low, high = np.percentile(figures[1:], [2.5, 97.5])
    return float(figures[0]), float(low), float(high)
