"""The comparison as the report shows it: sentences, marks, p-values, and what settings did.

Nothing is tested here: :mod:`mtsweep.compare` judges, for the terminal and the report alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mtsweep.compare import Comparison, Verdict, compare
from mtsweep.compare.words import refused
from mtsweep.errors import UserError
from mtsweep.report.charts import Heat, Picture
from mtsweep.report.entries import Entry, Sweep
from mtsweep.report.settings import settings
from mtsweep.scores import LABELS, Score

_LEADS = ("chrf", "bleu")
"""Where nothing could be compared; chrF first: it is fair to languages with long words."""


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


def judge(sweep: Sweep, comparison: Comparison | None = None) -> Judged:
    """The judgement as it is shown.

    Args:
        sweep: What the report is about.
        comparison: Of its finished runs, if it has been made already.
    """
    hindrance = ""
    if comparison is None:
        try:
            comparison = _compared(sweep)
        except UserError as error:
            hindrance = str(error)
    lead = comparison.metrics[0] if comparison else _lead(sweep)
    if comparison is None:
        told = "No judgement" if hindrance else "Fewer than two rows: nothing to compare"
        warnings = [hindrance] if hindrance else []
        return Judged(lead, [*sweep.said, f"{told}."], warnings)
    warnings = list(refused(comparison))
    verdicts = [verdict for verdict in comparison.verdicts if verdict.metric == lead]
    significance = list(_significance(comparison, verdicts))
    ablation = list(settings(comparison, lead))
    return Judged(
        lead,
        [*sweep.said, *(each for each in comparison.sentences if each and each not in warnings)],
        warnings,
        marks=_marks(comparison, verdicts),
        ablation=ablation,
        ablation_notes=[_SETTINGS] if ablation else (),
        significance=significance,
        significance_notes=[_SIGNIFICANCE] if significance else (),
        best=_best(comparison, verdicts),
    )


_SETTINGS = (
    "One chart a setting that was swept, one heat map a pair of them; bars are 95 % intervals over "
    "segments (and seeds, where there are several), a dashed line is a fitted learning curve with "
    "its interval, drawn up to twice of what was run."
)
_SIGNIFICANCE = (
    "p-values of all pairs, two-sided and paired over the same resampled segments, corrected for "
    "their number (Holm). Below 0.05 a difference may be claimed; above, the pair is tied."
)


def _compared(sweep: Sweep) -> Comparison | None:
    found = [(entry.folder, entry.record) for entry in sweep.judged]
    there = [(folder, record) for folder, record in found if folder and record]
    return compare(there) if len(there) > 1 else None


def _scores(entry: Entry) -> Mapping[str, Score]:
    return entry.record.scores if entry.record else {}


def _lead(sweep: Sweep) -> str:
    names = [name for entry in sweep.finished for name in _scores(entry)]
    return next((name for name in _LEADS if name in names), names[0] if names else _LEADS[0])


def _best(comparison: Comparison, verdicts: Sequence[Verdict]) -> str:
    """The run in front where all are ranked together, tied or not."""
    if len(verdicts) != 1 or comparison.row(verdicts[0].best).kind == "base":
        return ""
    return verdicts[0].best


def _marks(comparison: Comparison, verdicts: Sequence[Verdict]) -> dict[str, Mark]:
    """What is best and what is tied with it, by run id; a run alone needs no mark."""
    marks = {}
    for number, verdict in enumerate(verdicts, 1):
        rows = [comparison.row(key) for key in verdict.members]
        if sum(row.kind == "run" for row in rows) < 2:
            continue
        where = f" in group {number}" if len(verdicts) > 1 else ""
        alone = len(verdict.tied) == 1
        for row in (row for row in rows if row.key in verdict.tied):
            if alone:
                mark = Mark(f"best{where}", "best", "every other is shown to be worse")
            elif row.key == verdict.best:
                mark = Mark(f"leads{where}, tied", "tied", "not shown to be better than all others")
            else:
                mark = Mark(f"tied{where}", "tied", "not shown to be worse than the leading one")
            marks |= dict.fromkeys(row.ids, mark)
    return marks


def _significance(comparison: Comparison, verdicts: Sequence[Verdict]) -> Iterator[Heat]:
    """A matrix of corrected p-values for each group that is ranked together."""
    for number, verdict in enumerate(verdicts, 1):
        if len(verdict.members) < 2:
            continue
        found = {frozenset((pair.first, pair.second)): pair.p_holm for pair in verdict.pairs}
        values = [
            [found.get(frozenset((one, other))) for other in verdict.members]
            for one in verdict.members
        ]
        names = [comparison.row(key).label for key in verdict.members]
        where = f", group {number}" if len(verdicts) > 1 else ""
        yield Heat(
            f"significance-{number}", f"{LABELS[verdict.metric]}: corrected p-values{where}",
            names, names, values, [[_p(value) for value in line] for line in values],
            scale="doubt",
        )  # fmt: skip


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return "<0.001" if value < 0.001 else f"{value:.3f}"
