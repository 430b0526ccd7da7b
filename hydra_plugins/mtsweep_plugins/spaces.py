"""From Hydra's overrides to the space of a search."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from mtsweep.errors import UserError
from mtsweep.space import Choice, Dimension, Interval, Space

_SEED = "seed"


def space(overrides: Sequence[Override]) -> Space:
    """What the overrides of a command let a search choose from.

    Raises:
        UserError: if the seeds cannot be counted.
    """
    fixed: dict[str, str] = {}
    found: dict[str, Dimension] = {}
    seeds: tuple[str, ...] = ()
    for override in overrides:
        key = override.get_key_element()
        if not override.is_sweep_override():
            fixed[key] = f"{key}={override.get_value_element_as_str()}"
        elif override.key_or_group == _SEED:
            if not override.is_discrete_sweep():
                raise UserError("seed: list the seeds of a trial's replicates, such as seed=1,2,3")
            seeds = tuple(f"{key}={value}" for value in override.sweep_string_iterator())
        else:
            found[key] = _dimension(key, override)
    return Space(tuple(found.values()), tuple(fixed.values()), seeds)


def _dimension(key: str, override: Override) -> Dimension:
    value = override.value()
    if isinstance(value, IntervalSweep):
        low, high = (math.nan if end is None else end for end in (value.start, value.end))
        return Interval(key, low, high, isinstance(low, int), log="log" in value.tags)
    numbers = list(value.range()) if isinstance(value, RangeSweep) else []
    if isinstance(value, RangeSweep) and len(numbers) > 1 and value.step > 0:
        step = float(value.step)
        low, whole = float(numbers[0]), all(isinstance(each, int) for each in numbers)
        high = round(low + step * (len(numbers) - 1), 12)  # without what adding up leaves behind
        return Interval(key, low, high, whole, log="log" in value.tags, step=step)
    return Choice(key, tuple(dict.fromkeys(override.sweep_string_iterator())))
