"""What the records say for themselves: who leads, whose intervals overlap, what settings did.

Nothing is tested here: overlapping intervals are told as such, and no more is claimed from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from mtsweep.report.charts import Chart, Picture, Series
from mtsweep.report.entries import Entry, Sweep, flat
from mtsweep.scores import LABELS, Score, rounded

_LEADS = ("chrf", "bleu")
"""chrF first: it needs no words, and so is fair to languages with long ones."""


@dataclass(frozen=True)
class Mark:
    """What is said of a run beside its name."""

    text: str
    kind: Literal["best", "tied"]
    why: str = ""


@dataclass(frozen=True)
class Judged:
    """The comparison in words, marks and charts."""

    lead: str
    """Metric that runs are ranked by."""
    sentences: Sequence[str]
    warnings: Sequence[str] = ()
    marks: Mapping[str, Mark] = field(default_factory=dict)
    """By run id."""
    score_notes: Sequence[str] = ()
    ablation: Sequence[Picture] = ()
    ablation_notes: Sequence[str] = ()
    significance: Sequence[Picture] = ()
    significance_notes: Sequence[str] = ()
    best: str = ""
    """Run id of the leading run; empty where runs cannot be ranked together."""


def judge(sweep: Sweep) -> Judged:
    """The judgement that records alone allow."""
    lead = _lead(sweep)
    runs = [entry for entry in sweep.finished if entry.kind == "run" and lead in _scores(entry)]
    warnings = list(_apart(sweep, lead))
    ablation = _ablation(runs, lead)
    notes = ["One chart a setting that was swept; bars are the 95 % intervals of each run."]
    judged = Judged(
        lead,
        ["No tuned run has finished: there is nothing to compare."],
        warnings,
        ablation=ablation,
        ablation_notes=notes if ablation else (),
    )
    if not runs:
        return judged
    if warnings:
        return replace(judged, sentences=["These runs cannot be ranked together."])
    better = 1 if _scores(runs[0])[lead].direction == "higher" else -1
    best = max(runs, key=lambda entry: better * _scores(entry)[lead].value)
    near = [entry for entry in runs if entry is not best and _overlap(best, entry, lead)]
    marks = {best.id: Mark("leads", "best")}
    why = "its interval overlaps the leading run's"
    marks |= {entry.id: Mark("overlaps", "tied", why) for entry in near}
    return replace(
        judged,
        sentences=[_leading(best, lead, alone=len(runs) == 1), *_others(runs, near, lead)],
        marks=marks if len(runs) > 1 else {},
        best=best.id,
    )


def _scores(entry: Entry) -> Mapping[str, Score]:
    return entry.record.scores if entry.record else {}


def _lead(sweep: Sweep) -> str:
    names = [name for entry in sweep.finished for name in _scores(entry)]
    return next((name for name in _LEADS if name in names), names[0] if names else _LEADS[0])


def _apart(sweep: Sweep, lead: str) -> list[str]:
    """Why the runs are not measured alike."""
    finished = [entry for entry in sweep.finished if entry.record and lead in _scores(entry)]
    tests = {
        (str(entry.record.data.get("test_fingerprint")), _scores(entry)[lead].segments)
        for entry in finished
        if entry.record
    }
    signatures = {_scores(entry)[lead].signature for entry in finished}
    told = []
    if len(tests) > 1:
        told.append(f"The runs were scored on {len(tests)} different test sets.")
    if len(signatures) > 1:
        told.append(f"{LABELS.get(lead, lead)} has {len(signatures)} different signatures.")
    return told


def _overlap(one: Entry, other: Entry, lead: str) -> bool:
    a, b = _scores(one)[lead], _scores(other)[lead]
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return True  # unknown, so nothing is claimed
    return a.low <= b.high and b.low <= a.high


def _leading(best: Entry, lead: str, *, alone: bool) -> str:
    score, label = _scores(best)[lead], LABELS.get(lead, lead)
    span = (
        ""
        if score.low is None or score.high is None
        else f" (95 % interval {rounded(lead, score.low)} to {rounded(lead, score.high)}, "
        f"{score.segments} segments)"
    )
    who = f"{best.label} has" if alone else f"{best.label} has the best"
    base = best.record.base_scores.get(lead) if best.record else None
    value = rounded(lead, score.value)
    if base is None:
        return f"{who} {label}: {value}{span}."
    delta = score.value - base.value
    way = "above" if delta >= 0 else "below"
    gap = rounded(lead, abs(delta))
    return f"{who} {label}: {value}{span}, {gap} {way} the untouched model."


def _others(runs: Sequence[Entry], near: Sequence[Entry], lead: str) -> list[str]:
    if len(runs) == 1:
        return []
    label, behind = LABELS.get(lead, lead), len(runs) - 1 - len(near)
    told = []
    if near:
        names = ", ".join(entry.label for entry in near[:6])
        more = f" and {len(near) - 6} more" if len(near) > 6 else ""
        told.append(
            f"The {label} intervals of {names}{more} overlap with it: by their intervals, this "
            "test set does not tell them apart."
        )
    if behind:
        one = behind == 1
        whose = "interval of one other run does" if one else f"intervals of {behind} other runs do"
        told.append(f"The {label} {whose} not overlap with it.")
    return told


def _ablation(runs: Sequence[Entry], lead: str) -> list[Picture]:
    """A chart for each setting that differs: lines over numbers, bars over names."""
    settings = {
        entry.id: dict(flat(entry.record.config)) for entry in runs if entry.record is not None
    }
    if len(settings) < 2:
        return []
    keys = list(dict.fromkeys(key for each in settings.values() for key in each))
    swept = [
        key
        for key in keys
        if len({each.get(key) for each in settings.values()}) > 1 and not key.endswith(".name")
    ]
    charts: list[Picture] = [
        chart
        for key in swept
        if key != "seed"
        if (chart := _axis(runs, settings, key, [k for k in swept if k != key], lead))
    ]
    return charts[:6]


def _axis(
    runs: Sequence[Entry],
    settings: Mapping[str, Mapping[str, str]],
    key: str,
    rest: Sequence[str],
    lead: str,
) -> Chart | None:
    lines: dict[str, list[tuple[str, Score]]] = {}
    for entry in runs:
        own = settings[entry.id]
        name = ", ".join(f"{other}={own[other]}" for other in rest if other in own)
        lines.setdefault(name, []).append((own.get(key, ""), _scores(entry)[lead]))
    lines = {name: points for name, points in lines.items() if len(points) > 1}
    if not lines:
        return None
    numbers = all(_number(value) is not None for points in lines.values() for value, _ in points)
    series = []
    for number, (name, points) in enumerate(lines.items()):
        pairs = sorted(points, key=lambda point: _number(point[0]) or 0.0) if numbers else points
        xs: list[float | str] = [float(x) if numbers else x for x, _ in pairs]
        scores = [score for _, score in pairs]
        series.append(
            Series(name, xs, [score.value for score in scores], [score.low for score in scores],
                   [score.high for score in scores], colour=number)
        )  # fmt: skip
    values = [float(x) for each in series for x in each.x] if numbers else []
    log_x = numbers and min(values) > 0 and max(values) / min(values) >= 4
    return Chart(
        f"setting-{key.replace('.', '-')}", f"{LABELS.get(lead, lead)} by {key}", key,
        LABELS.get(lead, lead), tuple(series), bars=not numbers, log_x=log_x,
    )  # fmt: skip


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
