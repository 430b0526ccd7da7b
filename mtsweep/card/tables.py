"""The tables of a card: comparisons, further test sets, parts, behaviour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mtsweep.byparts import short
from mtsweep.card.privacy import scrubbed
from mtsweep.card.subject import Judged, Subject
from mtsweep.compare import Comparison, Row
from mtsweep.record import Degeneration
from mtsweep.scores import LABELS, Score, gained, rounded

_PARTS = 15
"""Parts of a test set that are listed; of more only the language pairs."""
_FEW = 10
"""Segments from which an interval says something."""


@dataclass(frozen=True)
class Table:
    """Cells of a table; the first of a row says what it is about."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Result:
    """A comparison, to be laid out."""

    title: str
    table: Table
    sentences: Sequence[str]


def estimate(metric: str, value: float, low: float | None, high: float | None) -> str:
    """A score with its interval."""
    if low is None or high is None:
        return rounded(metric, value)
    return f"{rounded(metric, value)} ({rounded(metric, low)} to {rounded(metric, high)})"


def result(judged: Judged, subject: Subject) -> Result:
    """A comparison as a table, with what it says in words."""
    comparison = judged.comparison
    several = any(len(row.ids) > 1 for row in comparison.rows)
    heads = [
        "model",
        *(f"{LABELS[metric]} (95 %)" for metric in comparison.metrics),
        *(["seeds"] * several),
        "trained parameters",
        "training",
    ]
    rows = [_cells(comparison, row, subject, several=several) for row in comparison.rows]
    title = f"Sweep {judged.name}" if judged.name else "Beside the untouched model"
    own = tuple(_against_base(comparison, subject))
    if several:
        own += (
            "A row with several seeds is the mean over them; this model is the one of seed "
            f"{subject.config.seed}.",
        )
    return Result(title, Table(heads, rows), own + tuple(comparison.sentences))


def _against_base(comparison: Comparison, subject: Subject) -> Iterator[str]:
    """The tested difference between this model and the untouched one, by each metric."""
    mine = next((row.key for row in comparison.rows if subject.record.id in row.ids), None)
    bases = {row.key for row in comparison.rows if row.kind == "base"}
    if subject.base and subject.base[1].id in bases:
        bases = {subject.base[1].id}  # under its own prompt, rather than under others
    told = []
    for verdict in comparison.verdicts:
        for pair in verdict.pairs:
            ends = (pair.first, pair.second)
            if mine not in ends or not bases & set(ends):
                continue
            sign = 1 if pair.second == mine else -1
            low, high = sorted((sign * pair.low, sign * pair.high))
            name = verdict.metric
            told.append(
                f"{gained(name, sign * pair.difference)} {LABELS[name]} "
                f"({gained(name, low)} to {gained(name, high)}, p {_p(pair.p_holm)}"
                f"{'' if pair.real else ', which is not shown to be more than chance'})"
            )
    if told:
        yield f"This model against the untouched one: {'; '.join(told)}."


def _p(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"{value:.3f}"


def _cells(comparison: Comparison, row: Row, subject: Subject, *, several: bool) -> list[str]:
    label = "untouched" + row.label.removeprefix("base") if row.kind == "base" else row.label
    mine = " ← this model" if subject.record.id in row.ids else ""
    told = []
    for metric in comparison.metrics:
        score = row.scores[metric]
        tied = any(row.key in v.tied for v in comparison.verdicts if v.metric == metric)
        star = " ★" if tied else ""
        told.append(f"{estimate(metric, score.value, score.low, score.high)}{star}")
    run = row.kind == "run"
    return [
        scrubbed(label) + mine,
        *told,
        *([str(len(row.ids)) if run else ""] * several),
        f"{round(row.cost['trainable_parameters']):,}" if run else "",
        f"{row.cost['seconds_train']:,.0f} s" if run else "",
    ]


def scores_of(
    what: str, scores: Mapping[str, Mapping[str, Score]], base: Mapping[str, Mapping[str, Score]]
) -> Table | None:
    """A line for each test set or part, base beside tuned."""
    if not scores:
        return None
    metrics = list(dict.fromkeys(metric for each in scores.values() for metric in each))
    heads = [what, "segments"]
    for metric in metrics:
        heads += [f"{LABELS[metric]} (95 %)", "untouched"]
    rows = []
    for name, told in scores.items():
        row = [scrubbed(short(name)), f"{next(iter(told.values())).segments:,}"]
        for metric in metrics:
            score, before = told.get(metric), base.get(name, {}).get(metric)
            row.append(_of(metric, score) if score else "")
            row.append(rounded(metric, before.value) if before else "")
        rows.append(row)
    return Table(heads, rows)


def _of(metric: str, score: Score) -> str:
    """A score, with its interval where there are segments enough for one."""
    if score.segments < _FEW:
        return rounded(metric, score.value)
    return estimate(metric, score.value, score.low, score.high)


def parts(subject: Subject) -> Table | None:
    """The parts of the main test set; of many only the language pairs."""
    told = subject.record.parts
    pairs = {"-".join(pair) for pair in subject.pairs}
    if len(told) > _PARTS:
        told = {name: scores for name, scores in told.items() if name in pairs}
    return scores_of("part of the test set", told, subject.record.base_parts)


_BEHAVIOUR = {
    "stopped": "end by themselves",
    "text_after": "go on behind the answer",
    "repeated_4grams": "4-grams of words that repeat an earlier one",
    "copied": "repeat the source",
    "wrong_language": "are in another language than the target",
}


def behaviour(subject: Subject) -> Table:
    """How outputs of the untouched and of the tuned model behave."""
    base = subject.base[1].degeneration if subject.base else None
    rows = []
    for field, words in _BEHAVIOUR.items():
        told = [_share(each, field) for each in (base, subject.record.degeneration)]
        if any(told):
            rows.append([words, *told])
    ratios = [
        f"{each.length_ratio:.2f}" if each else "" for each in (base, subject.record.degeneration)
    ]
    rows.append(["length, times the reference's", *ratios])
    return Table(["outputs", "untouched", "this model"], rows)


def _share(told: Degeneration | None, field: str) -> str:
    value = getattr(told, field, None)
    return "" if value is None else f"{value:.0%}"
