"""The judgement: scores with intervals, all pairs, what is tied with the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mtsweep.compare import settings as grouping
from mtsweep.compare import view
from mtsweep.compare.model import Comparison, Estimate, Refusal, Row, Verdict
from mtsweep.compare.pool import judge
from mtsweep.compare.settings import Found, Setting
from mtsweep.compare.words import by_morphology, sentences
from mtsweep.errors import UserError
from mtsweep.evaluation import significance

_LEADS = "chrf"


def compare(
    found: Sequence[Found],
    metric: str | None = None,
    swept: Sequence[str] | None = None,
    resamples: int = significance.RESAMPLES,
    on: str = view.MAIN,
) -> Comparison:
    """Judge finished runs and their base rows.

    Args:
        found: Run folders with their records, in the order to be shown.
        metric: The one that leads, counted from the predictions where it was not scored; chrF else.
        swept: Keys that the question varies; others that are guarded (prompt, decoding, effective
            batch, precision) keep runs apart. ``None``: every key in which the runs differ.
        resamples: Of the bootstrap.
        on: A further test set, or a part of the main one.

    Raises:
        UserError: if there is nothing to compare, or predictions are gone.
    """
    if not found:
        raise UserError("compare: no finished run there")
    distinct = list({record.id: (folder, record) for folder, record in found}.values())
    looked_at = view.counted(view.viewed(distinct, on), metric, on)
    everything = grouping.settings(looked_at)
    runs = [setting for setting in everything if not setting.base]
    axes = grouping.axes(runs)
    metrics = _metrics(everything, metric)
    pools = grouping.pools(everything, grouping.varied(everything) if swept is None else swept)
    labels = grouping.labels(everything, list(axes))
    scores: dict[str, dict[str, Estimate]] = {setting.key: {} for setting in everything}
    verdicts, ablations = [], []
    for members in pools:
        for name in metrics:
            judged = judge(members, name, list(axes), resamples, on)
            verdicts.append(judged.verdict)
            ablations.append(judged.ablation)
            for key, told in judged.estimates.items():
                scores[key][name] = told
    rows = [_row(each, labels[each.key], list(axes), scores[each.key]) for each in everything]
    rows = _with_pareto([row for row in rows if row.scores], verdicts)
    comparison = Comparison(
        axes=tuple(axes),
        metrics=tuple(metrics),
        rows=tuple(rows),
        verdicts=tuple(verdicts),
        ablations=tuple(ablations),
        refusals=tuple(_refusals(pools)),
        aliases={axis: twins for axis, twins in axes.items() if twins},
    )
    targets = dict.fromkeys(each.record.config["data"]["target_lang"] for each in everything)
    told = [*sentences(comparison), *by_morphology(comparison, list(targets))]
    return replace(comparison, sentences=tuple(told))


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


def _row(setting: Setting, label: str, axes: Sequence[str], scores: dict[str, Estimate]) -> Row:
    config = dict(grouping.flat(grouping.configuration(setting.record)))
    costs = [record.cost.model_dump() for _, record in setting.members]
    return Row(
        key=setting.key,
        label=label,
        kind=setting.record.kind,
        ids=tuple(record.id for _, record in setting.members),
        values={} if setting.base else {axis: config.get(axis) for axis in axes},
        scores=scores,
        cost={name: sum(cost[name] or 0.0 for cost in costs) / len(costs) for name in costs[0]},
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
