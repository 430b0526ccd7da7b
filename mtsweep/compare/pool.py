"""Settings that may be ranked together, on one metric: intervals, all pairs, what is tied."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from mtsweep.compare import view
from mtsweep.compare.ablation import Ablation, ablate
from mtsweep.compare.model import Estimate, Pair, Verdict
from mtsweep.compare.settings import Setting
from mtsweep.errors import UserError
from mtsweep.evaluation import significance

if TYPE_CHECKING:
    from mtsweep.evaluation.segments import Array

_OFF = 0.01
"""A score that counts again to something else by more than this is none of its predictions."""


@dataclass(frozen=True)
class Judged:
    """One metric over the settings of a pool."""

    verdict: Verdict
    estimates: dict[str, Estimate]
    """By key of the setting."""
    ablation: Ablation


@dataclass(frozen=True)
class _Drawn:
    """The settings of a pool on one metric, under the same resampled segments."""

    name: str
    segments: int
    statistics: Sequence[Array]
    """Of every run."""
    places: Mapping[str, Sequence[int]]
    """Setting to its runs, by their places in ``statistics``."""
    seeds: Mapping[str, Sequence[float]]
    """Setting to the scores of its runs."""
    means: Mapping[str, Array]
    """Setting to the mean over its seeds, for each resample."""
    errors: Mapping[str, float]
    """Setting to the standard error of that over seeds; 0 with one seed each, and for base rows."""
    freedom: int
    """Degrees of freedom of the spread between seeds; 0 with one seed each."""

    def spread(self, one: str, other: str) -> significance.Spread:
        """Of the difference between two settings."""
        seed_error = math.hypot(self.errors[one], self.errors[other])
        moved = self.means[other] - self.means[one]
        return significance.spread(moved, self.segments, seed_error, self.freedom)

    def moved(self) -> dict[str, Array]:
        """Setting to its resampled means, moved by chance as far as other seeds might."""
        import numpy as np

        resamples = len(next(iter(self.means.values())))
        noise = np.random.default_rng(significance.SEED).standard_t(
            max(self.freedom, 1), size=(len(self.means), resamples)
        )
        return {
            key: mean + (self.errors[key] * noise[row] if self.freedom else 0.0)
            for row, (key, mean) in enumerate(self.means.items())
        }


def judge(
    members: Sequence[Setting], name: str, axes: Sequence[str], resamples: int, on: str
) -> Judged:
    """Judge the settings of a pool on one metric.

    Args:
        members: Settings that may be ranked together.
        name: Of the metric.
        axes: Keys in which runs differ.
        resamples: Of the bootstrap.
        on: Name of the test set.

    Raises:
        UserError: if predictions are gone, or of another run.
    """
    drawn = _drawn(members, name, resamples, on)
    moved = drawn.moved()
    estimates = {
        each.key: _estimate(each, name, drawn.seeds[each.key], moved[each.key]) for each in members
    }
    pairs = _pairs(drawn, estimates, moved)
    ablation = ablate(
        name,
        members,
        axes,
        {key: each.value for key, each in estimates.items()},
        moved,
        higher=_higher(estimates),
    )
    return Judged(_verdict(drawn, members, pairs, estimates), estimates, ablation)


def _drawn(members: Sequence[Setting], name: str, resamples: int, on: str) -> _Drawn:
    """Count the settings' predictions under the same resampled segments."""
    runs = [(setting, found) for setting in members for found in setting.members]
    statistics = [view.statistics(found, name, on) for _, found in runs]
    values = significance.whole(statistics, name)
    for (_, (folder, record)), value in zip(runs, values, strict=True):
        if abs(record.scores[name].value - value) > _OFF:
            raise UserError(
                f"{folder.path}: its predictions score {value:.2f} {name}, its record says "
                f"{record.scores[name].value:.2f}; they are not of one run, remove the folder"
            )
    scores = significance.resampled(statistics, name, resamples)
    places = {
        setting.key: [index for index, (owner, _) in enumerate(runs) if owner is setting]
        for setting in members
    }
    seeds = {key: [float(values[index]) for index in where] for key, where in places.items()}
    between, freedom = significance.seed_spread(seeds)
    return _Drawn(
        name=name,
        segments=len(statistics[0]),
        statistics=statistics,
        places=places,
        seeds=seeds,
        means={key: scores[where].mean(axis=0) for key, where in places.items()},
        errors={
            each.key: 0.0 if each.base else between / len(places[each.key]) ** 0.5
            for each in members
        },
        freedom=freedom,
    )


def _higher(estimates: Mapping[str, Estimate]) -> bool:
    return next(iter(estimates.values())).direction == "higher"


def _estimate(setting: Setting, name: str, seeds: Sequence[float], moved: Array) -> Estimate:
    score = setting.record.scores[name]
    low, high = significance.interval(moved)
    return Estimate(
        value=sum(seeds) / len(seeds),
        low=low,
        high=high,
        direction=score.direction,
        signature=score.signature,
        segments=score.segments,
        seeds=tuple(seeds),
    )


def _pairs(
    drawn: _Drawn, estimates: Mapping[str, Estimate], moved: Mapping[str, Array]
) -> list[Pair]:
    keys = list(combinations(estimates, 2))
    plain = not drawn.freedom
    single = {key: where[0] for key, where in drawn.places.items()}
    shuffled = (
        significance.randomised(
            drawn.statistics,
            drawn.name,
            [(single[a], single[b]) for a, b in keys],
            len(next(iter(moved.values()))),
        )
        if plain
        else [None] * len(keys)
    )
    told, p_values = [], []
    for (a, b), p_shuffled in zip(keys, shuffled, strict=True):
        difference = estimates[b].value - estimates[a].value
        change = drawn.means[b] - drawn.means[a]
        p_values.append(significance.two_sided(change, difference, drawn.spread(a, b)))
        boot = None
        if plain:
            boot = significance.paired_bootstrap(drawn.means[a], drawn.means[b], difference)
        ends = significance.interval(moved[b] - moved[a])
        told.append((a, b, difference, *ends, boot, p_shuffled))
    adjusted = significance.holm(p_values)
    return [
        Pair(a, b, difference, low, high, p, p_holm, boot, p_shuffled)
        for (a, b, difference, low, high, boot, p_shuffled), p, p_holm in zip(
            told, p_values, adjusted, strict=True
        )
    ]


def _verdict(
    drawn: _Drawn,
    members: Sequence[Setting],
    pairs: Sequence[Pair],
    estimates: Mapping[str, Estimate],
) -> Verdict:
    sign = 1 if _higher(estimates) else -1
    best = max(estimates, key=lambda key: (sign * estimates[key].value, key))
    worse = {
        pair.first if pair.second == best else pair.second
        for pair in pairs
        if best in (pair.first, pair.second) and pair.real
    }
    runs = [setting.key for setting in members if not setting.base]
    spreads = sorted(
        (
            significance.alike(
                drawn.spread(a, b), estimates[b].value - estimates[a].value, drawn.segments
            )
            for a, b in combinations(runs, 2)
        ),
        key=lambda each: each.error,
    )
    smallest = None
    if spreads:
        middle = spreads[len(spreads) // 2]
        if middle.error:
            smallest = significance.detectable(middle, len(pairs), drawn.segments)
    return Verdict(
        metric=drawn.name,
        members=tuple(estimates),
        pairs=tuple(pairs),
        best=best,
        tied=tuple(key for key in estimates if key not in worse),
        detectable=smallest,
    )
