"""What the settings did, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mtsweep.compare.ablation import Ablation, Curve, Line, Share, Value
from mtsweep.compare.fit import Gain
from mtsweep.evaluation.significance import holm
from mtsweep.scores import LABELS, gained

_LINES = 3
_CLAIMED = 0.05


def effects(ablation: Ablation) -> Iterator[str]:
    """What amounts brought, what more would bring, and which settings matter."""
    for curve in ablation.curves:
        lines = [line for line in curve.lines if line.fit is not None]
        for line in lines[:_LINES]:
            yield _amount(curve, line, ablation.metric, several=len(curve.lines) > 1)
        if len(lines) > _LINES:
            yield f"{short(curve.axis)}: {len(lines) - _LINES} more such lines (--format json)."
    if ablation.shares:
        yield _matters(ablation.shares)


def _amount(curve: Curve, line: Line, metric: str, *, several: bool) -> str:
    fit = line.fit
    if fit is None:
        return ""
    where = f" ({told(line.held)})" if several and line.held else ""
    first, last = line.points[0].x, line.points[-1].x
    return (
        f"{curve.axis}{where} from {number(first)} to {number(last)}: twice as much brought "
        f"{_gain(metric, fit.doubling)} {LABELS[metric]} in the mean (95 % interval "
        f"{_ends(metric, fit.doubling)}); {number(2 * float(last))} would bring "
        f"{_gain(metric, fit.doubled)} ({_ends(metric, fit.doubled)}) more, "
        "if the curve goes on."
    )


def _gain(metric: str, gain: Gain) -> str:
    return gained(metric, gain.value)


def _ends(metric: str, gain: Gain) -> str:
    return f"{gained(metric, gain.low)} to {gained(metric, gain.high)}"


def _matters(shares: tuple[Share, ...]) -> str:
    corrected = holm([each.p for each in shares])
    parts = []
    for each, p in zip(shares, corrected, strict=True):
        more = "" if p < _CLAIMED else f", no more than chance could give ({each.noise:.0%})"
        parts.append(
            f"{short(each.axis)} {each.share:.0%} ({each.low:.0%} to {each.high:.0%}{more})"
        )
    return f"Of the variance between runs goes with each setting: {'; '.join(parts)}."


def told(held: Mapping[str, Value]) -> str:
    """The other axes of a line, as overrides."""
    return " ".join(f"{short(axis)}={number(value)}" for axis, value in held.items())


def number(value: Value) -> str:
    """A value of an axis as people write it."""
    return value.rpartition("/")[2] if isinstance(value, str) else f"{value:g}"


def short(axis: str) -> str:
    """An axis as people call it: a group by its own name."""
    return axis.removesuffix(".name")
