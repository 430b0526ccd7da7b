"""The comparison that a sweep ends with: base rows and runs, side by side."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mtsweep.compare.settings import base_names
from mtsweep.plan import Plan, Run
from mtsweep.record import Degeneration, Record, RunFolder
from mtsweep.scores import LABELS


@dataclass(frozen=True)
class Row:
    """One line: a base row, or a run with its record or the reason why it has none."""

    label: str
    record: Record | None
    kind: Literal["run", "base"] = "run"
    reason: str = ""
    state: Literal["failed", "pruned"] = "failed"
    """Of a run without a record."""
    folder: RunFolder | None = field(default=None, compare=False)


def rows(
    plan: Plan, reasons: Mapping[str, str], pruned: Mapping[str, str] | None = None
) -> list[Row]:
    """Base rows (each once, before its runs), then the runs in the order asked for.

    Args:
        plan: The sweep.
        reasons: Run id to why it failed.
        pruned: Run id to where it was pruned.
    """
    told: list[Row] = []
    bases = {run.base_id: run for run in reversed(plan.runs)}
    names = base_names([run.config.model_dump() for run in bases.values()])
    labels = dict(zip(bases, names, strict=True))
    for base_id in dict.fromkeys(run.base_id for run in plan.runs):
        members = [run for run in plan.runs if run.base_id == base_id]
        base = members[0].base_folder.record()
        reason = reasons.get(base_id, "")  # of a run that trains nothing: it is its base row
        told.append(Row(labels[base_id], base, "base", reason, folder=members[0].base_folder))
        told.extend(
            _row(run, reasons.get(run.id, ""), (pruned or {}).get(run.id))
            for run in members
            if not run.untouched
        )
    return told


def _row(run: Run, reason: str, pruned: str | None) -> Row:
    record = run.folder.record()
    if record is None and pruned is not None:
        return Row(_label(run), None, "run", pruned, "pruned", run.folder)
    return Row(_label(run), record, "run", reason, folder=run.folder)


def _label(run: Run) -> str:
    return run.overrides or run.config.model.name.rpartition("/")[2]


def as_csv(table: Sequence[Row]) -> str:
    """The table with every figure in full, one line a row (``table.csv``)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["run", "id", "kind", "state", "metric", "value", "low", "high", "base", "signature",
         "segments", *Degeneration.model_fields, "seconds_train",
         "seconds_evaluate", "peak_memory_bytes", "trainable_parameters", "total_parameters",
         "adapter_bytes", "seconds_per_step"]
    )  # fmt: skip
    for row in table:
        if row.record is None:
            writer.writerow([row.label, "", row.kind, f"{row.state}: {row.reason}", *[""] * 20])
            continue
        record = row.record
        for name, score in record.scores.items():
            compared = record.kind == "run" and name in record.base_scores
            base = record.base_scores[name].value if compared else ""
            writer.writerow(
                [row.label, record.id, record.kind, "finished", LABELS[name], score.value,
                 score.low, score.high, base, score.signature, score.segments,
                 *record.degeneration.model_dump().values(), *record.cost.model_dump().values()]
            )  # fmt: skip
    return out.getvalue()
