"""The judgement in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mtsweep import languages
from mtsweep.compare.effects import effects
from mtsweep.compare.model import Comparison, Pair, Row, Verdict
from mtsweep.scores import LABELS, gained, rounded

_NAMED = 3


def sentences(comparison: Comparison) -> Iterator[str]:
    """What may be said of the leading metric, and why some runs are not ranked together."""
    lead = comparison.metrics[0]
    verdicts = [verdict for verdict in comparison.verdicts if verdict.metric == lead]
    for number, verdict in enumerate(verdicts, 1):
        where = f"Group {number} of {len(verdicts)}: " if len(verdicts) > 1 else ""
        for told in _verdict(comparison, verdict):
            yield where + told
        for ablation in comparison.ablations:
            if ablation.metric == lead and ablation.members == verdict.members:
                yield from (where + told for told in effects(ablation))
    yield from refused(comparison)


def refused(comparison: Comparison) -> Iterator[str]:
    """Why some runs are not ranked with the others."""
    for refusal in comparison.refusals:
        names = _list([comparison.row(key).label for key in refusal.rows])
        yield f"{names}: not ranked with the others: {refusal.reason}."


def by_morphology(comparison: Comparison, targets: Sequence[str]) -> Iterator[str]:
    """Why chrF leads where words take many forms, or why BLEU had better not.

    Args:
        comparison: Of runs into these languages.
        targets: FLORES-200 codes.
    """
    rich = [languages.name(code) for code in targets if languages.rich(code)]
    lead = comparison.metrics[0]
    if not rich or "bleu" not in comparison.metrics:
        return
    why = f"words of {_list(rich)} take many forms, and BLEU counts whole words alone"
    if lead.startswith("chrf"):
        yield f"{LABELS[lead]} leads: {why}, while {LABELS[lead]} counts what is right within them."
    elif lead == "bleu":
        yield f"BLEU is to be read with care: {why}; --metric chrf counts parts of words too."


def _verdict(comparison: Comparison, verdict: Verdict) -> Iterator[str]:
    rows = {key: comparison.row(key) for key in verdict.members}
    runs = [row for row in rows.values() if row.kind == "run"]
    name = LABELS[verdict.metric]
    score = rows[verdict.best].scores[verdict.metric]
    if len(runs or rows) > 1:
        yield _ranking(verdict, rows, len(runs or rows))
    if len(rows) > len(runs) > 0:
        yield from _against_base(verdict, rows)
    if verdict.detectable is not None and any(key != verdict.best for key in verdict.tied):
        yield (
            f"With {score.segments} segments and {_seeds(runs)}, a true difference of "
            f"{rounded(verdict.metric, verdict.detectable)} {name} would most often be found; "
            "smaller ones cannot be relied on to show."
        )
    if runs and all(len(row.ids) == 1 for row in runs):
        yield (
            "One seed each: this is about these trained models; how far another seed would move "
            "them is not known."
        )


def _ranking(verdict: Verdict, rows: dict[str, Row], count: int) -> str:
    name, best = LABELS[verdict.metric], rows[verdict.best]
    tied = [rows[key].label for key in verdict.tied if key != verdict.best]
    value = rounded(verdict.metric, best.scores[verdict.metric].value)
    if not tied:
        return f"{best.label} is best: {value} {name}, and every other is shown to be worse."
    others = _list(tied)
    if len(verdict.tied) >= len(rows) or len(tied) == count - 1:
        among = "the runs" if best.kind == "run" else "them"
        return f"No best among {among}: {best.label} ({value} {name}) is tied with {others}."
    return f"{best.label} is ahead with {value} {name}, tied with {others}; the rest is worse."


def _against_base(verdict: Verdict, rows: dict[str, Row]) -> Iterator[str]:
    """The best row against every untouched model that it is ranked with."""
    bases = [key for key, row in rows.items() if row.kind == "base"]
    name, best = LABELS[verdict.metric], rows[verdict.best]
    if best.kind == "base":
        which = f" ({best.label})" if len(bases) > 1 else ""
        yield f"No run is better than the untouched model{which} in {name}."
        return
    for base in bases:
        pair = next((each for each in verdict.pairs if _is(each, base, verdict.best)), None)
        if pair is None:
            continue
        which = rows[base].label if len(bases) > 1 else "the untouched model"
        turn = 1 if pair.second == verdict.best else -1
        ends = sorted((turn * pair.low, turn * pair.high))
        low, high = (gained(verdict.metric, end) for end in ends)
        gain = f"{gained(verdict.metric, turn * pair.difference)} {name}"
        span = f"95 % interval {low} to {high}"
        yield (
            f"{best.label} differs from {which} by {gain} ({span})."
            if pair.real
            else f"{best.label} is not shown to differ from {which} ({gain}, {span})."
        )


def _is(pair: Pair, one: str, other: str) -> bool:
    return {pair.first, pair.second} == {one, other}


def _seeds(runs: list[Row]) -> str:
    counts = sorted({len(row.ids) for row in runs})
    if counts == [1]:
        return "one seed"
    told = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{told} seeds"


def _list(names: list[str]) -> str:
    shown = names[:_NAMED]
    if len(names) > _NAMED:
        return f"{', '.join(shown)} and {len(names) - _NAMED} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]
