"""The comparison that a sweep ends with: base rows and runs, side by side."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

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
    folder: RunFolder | None = field(default=None, compare=False)


def rows(plan: Plan, reasons: dict[str, str]) -> list[Row]:
    """Base rows (each once, before its runs), then the runs in the order asked for.

    Args:
        plan: The sweep.
        reasons: Run id to why it failed.
    """
    told: list[Row] = []
    several = len({run.base_id for run in plan.runs}) > 1
    for base_id in dict.fromkeys(run.base_id for run in plan.runs):
        members = [run for run in plan.runs if run.base_id == base_id]
        base = members[0].base_folder.record()
        told.append(Row(_base_label(members, several), base, "base", "", members[0].base_folder))
        told.extend(
            Row(_label(run), run.folder.record(), "run", reasons.get(run.id, ""), run.folder)
            for run in members
        )
    return told


def _label(run: Run) -> str:
    return run.overrides or run.config.model.name.rpartition("/")[2]


def _base_label(members: Sequence[Run], several: bool) -> str:  # noqa: FBT001
    config = members[0].config
    if not several:
        return "base"
    bits = "4-bit " if config.lora.load_in_4bit else ""
    return f"base {bits}{config.model.name.rpartition('/')[2]}"


def as_csv(table: Sequence[Row]) -> str:
    """The table with every figure in full, one line a row (``table.csv``)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["run", "id", "kind", "state", "metric", "value", "low", "high", "base", "signature",
         "segments", *Degeneration.model_fields, "seconds_train",
         "seconds_evaluate", "peak_memory_bytes", "trainable_parameters", "total_parameters",
         "adapter_bytes"]
    )  # fmt: skip
    for row in table:
        if row.record is None:
            writer.writerow([row.label, "", row.kind, f"failed: {row.reason}", *[""] * 19])
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
