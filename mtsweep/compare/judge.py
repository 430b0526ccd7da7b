"""The judgement: scores with intervals, all pairs, what is tied with the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from mtsweep.compare import settings as grouping
from mtsweep.compare.model import Comparison, Estimate, Pair, Refusal, Row, Verdict
from mtsweep.compare.settings import Found, Setting
from mtsweep.compare.words import sentences
from mtsweep.errors import UserError
from mtsweep.evaluation import segments, significance

if TYPE_CHECKING:
    from mtsweep.evaluation.segments import Array

_TEST = "test"
_LEADS = "chrf"
_OFF = 0.01
"""A score that counts again to something else by more than this is none of its predictions."""


def compare(
    found: Sequence[Found],
    metric: str | None = None,
    swept: Sequence[str] | None = None,
    resamples: int = significance.RESAMPLES,
) -> Comparison:
    """Judge finished runs and their base rows.

    Args:
        found: Run folders with their records, in the order to be shown.
        metric: The one that leads; chrF where it was scored.
        swept: Keys that the question varies; others that are guarded (prompt, decoding, effective
            batch, precision) keep runs apart. ``None``: every key in which the runs differ.
        resamples: Of the bootstrap.

    Raises:
        UserError: if there is nothing to compare, or predictions are gone.
    """
    if not found:
        raise UserError("compare: no finished run there")
    everything = grouping.settings(list({record.id: (f, record) for f, record in found}.values()))
    runs = [setting for setting in everything if not setting.base]
    axes = grouping.axes(runs)
    differ = [key for axis, twins in axes.items() for key in (axis, *twins)]
    metrics = _metrics(everything, metric)
    pools = grouping.pools(everything, differ if swept is None else swept)
    models = {setting.record.config["model"]["name"] for setting in everything}
    labels = {
        setting.key: grouping.label(setting, list(axes), several_models=len(models) > 1)
        for setting in everything
    }
    scores: dict[str, dict[str, Estimate]] = {setting.key: {} for setting in everything}
    verdicts = []
    for members in pools:
        for name in metrics:
            judged = _judge(members, name, resamples)
            verdicts.append(judged.verdict)
            for key, told in judged.estimates.items():
                scores[key][name] = told
    rows = [_row(each, labels[each.key], list(axes), scores[each.key]) for each in everything]
    rows = _with_pareto([row for row in rows if row.scores], verdicts)
    comparison = Comparison(
        axes=tuple(axes),
        metrics=tuple(metrics),
        rows=tuple(rows),
        verdicts=tuple(verdicts),
        refusals=tuple(_refusals(pools)),
        aliases={axis: twins for axis, twins in axes.items() if twins},
    )
    return replace(comparison, sentences=tuple(sentences(comparison)))


def _metrics(everything: Sequence[Setting], wanted: str | None) -> list[str]:
    """Metrics that all rows have, the leading one first."""
    each = [list(setting.record.scores) for setting in everything]
    shared = [name for name in each[0] if all(name in names for names in each)]
    if wanted is not None and wanted not in shared:
        known = ", ".join(shared) or "none"
        raise UserError(f"--metric: {wanted!r} was not scored for all of these runs; {known} was")
    if not shared:
        raise UserError("compare: these runs have no metric in common")
    lead = wanted or (_LEADS if _LEADS in shared else shared[0])
    return [lead, *(name for name in shared if name != lead)]


@dataclass(frozen=True)
class _Judged:
    verdict: Verdict
    estimates: dict[str, Estimate]


@dataclass(frozen=True)
class _Drawn:
    """The settings of a pool on one metric, under the same resampled segments."""

    name: str
    segments: int
    statistics: Sequence[Array]
    """Of every run."""
    places: Mapping[str, Sequence[int]]
    """Setting to its runs, by their places in ``statistics``."""
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


def _judge(members: Sequence[Setting], name: str, resamples: int) -> _Judged:
    """One metric over the settings of a pool."""
    import numpy as np

    runs = [(setting, found) for setting in members for found in setting.members]
    statistics = [_statistics(found, name) for _, found in runs]
    values = significance.whole(statistics, name)
    scores = significance.resampled(statistics, name, resamples)
    places = {
        setting.key: [index for index, (owner, _) in enumerate(runs) if owner is setting]
        for setting in members
    }
    for (_, (folder, record)), value in zip(runs, values, strict=True):
        if abs(record.scores[name].value - value) > _OFF:
            raise UserError(
                f"{folder.path}: its predictions score {value:.2f} {name}, its record says "
                f"{record.scores[name].value:.2f}; they are not of one run, remove the folder"
            )
    seeds = {key: [float(values[index]) for index in where] for key, where in places.items()}
    between, freedom = significance.seed_spread(seeds)
    drawn = _Drawn(
        name=name,
        segments=len(statistics[0]),
        statistics=statistics,
        places=places,
        means={key: scores[where].mean(axis=0) for key, where in places.items()},
        errors={
            each.key: 0.0 if each.base else between / len(places[each.key]) ** 0.5
            for each in members
        },
        freedom=freedom,
    )
    noise = np.random.default_rng(significance.SEED).standard_t(
        max(freedom, 1), size=(len(members), resamples)
    )
    moved = {
        key: drawn.means[key] + (drawn.errors[key] * noise[row] if freedom else 0.0)
        for row, key in enumerate(places)
    }
    estimates = {
        each.key: _estimate(each, name, seeds[each.key], moved[each.key]) for each in members
    }
    pairs = _pairs(drawn, estimates, moved)
    return _Judged(_verdict(drawn, members, pairs, estimates), estimates)


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


def _statistics(found: Found, name: str) -> Array:
    folder, record = found
    language = record.config["data"]["target_lang"]
    return segments.of_run(folder.path, [name], language, _TEST)[name]


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
    sign = 1 if next(iter(estimates.values())).direction == "higher" else -1
    best = max(estimates, key=lambda key: (sign * estimates[key].value, key))
    worse = {
        pair.first if pair.second == best else pair.second
        for pair in pairs
        if best in (pair.first, pair.second) and pair.real
    }
    runs = [setting.key for setting in members if not setting.base]
    spreads = sorted(
        (drawn.spread(a, b) for a, b in combinations(runs, 2)), key=lambda each: each.error
    )
    smallest = None
    if spreads:
        middle = spreads[len(spreads) // 2]
        smallest = significance.detectable(middle, len(pairs), drawn.segments)
    return Verdict(
        metric=drawn.name,
        members=tuple(estimates),
        pairs=tuple(pairs),
        best=best,
        tied=tuple(key for key in estimates if key not in worse),
        detectable=smallest,
    )


def _row(setting: Setting, label: str, axes: Sequence[str], scores: dict[str, Estimate]) -> Row:
    config = dict(grouping.flat(setting.record.config))
    costs = [record.cost.model_dump() for _, record in setting.members]
    return Row(
        key=setting.key,
        label=label,
        kind=setting.record.kind,
        ids=tuple(record.id for _, record in setting.members),
        values={} if setting.base else {axis: config.get(axis) for axis in axes},
        scores=scores,
        cost={name: sum(cost[name] for cost in costs) / len(costs) for name in costs[0]},
    )


def _with_pareto(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> list[Row]:
    """Mark rows that no other of their pool beats in both the leading score and training time."""
    lead = verdicts[0].metric
    front: set[str] = set()
    for verdict in (each for each in verdicts if each.metric == lead):
        inside = [row for row in rows if row.key in verdict.members]
        front |= {
            row.key for row in inside if not any(_beats(other, row, lead) for other in inside)
        }
    return [replace(row, pareto=row.key in front) for row in rows]


def _beats(one: Row, other: Row, metric: str) -> bool:
    sign = 1 if one.scores[metric].direction == "higher" else -1
    mine = (sign * one.scores[metric].value, -one.cost["seconds_train"])
    yours = (sign * other.scores[metric].value, -other.cost["seconds_train"])
    return mine != yours and all(a >= b for a, b in zip(mine, yours, strict=True))


def _refusals(pools: Sequence[Sequence[Setting]]) -> list[Refusal]:
    """Why each further pool is not ranked with the first."""
    first = [setting for setting in pools[0] if not setting.base] or pools[0]
    reference = grouping.traits(first[0])
    told = []
    for members in pools[1:]:
        runs = [setting for setting in members if not setting.base]
        own = grouping.traits(runs[0])
        differ = [name for name, value in reference.items() if own.get(name) != value]
        keys = tuple(setting.key for setting in runs)
        told.append(Refusal(keys, f"another {', another '.join(differ)} than {first[0].key}"))
    return told
