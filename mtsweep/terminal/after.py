"""What a sweep ends with: where everything lies, and what it took against its estimate."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from mtsweep import estimate
from mtsweep.plan import Plan
from mtsweep.record import Record


def epilogue(out: Console, plan: Plan, folder: Path, mirrored: Sequence[str] = ()) -> None:
    """Say where everything lies, how far estimates were off, and how to get at what was tracked."""
    out.print()
    if told := _misses(plan):
        out.print(Text.assemble(("took   ", "bold"), told))
    out.print(Text.assemble(("runs   ", "bold"), str(plan.output / "runs"), "/<id>"))
    out.print(Text.assemble(("sweep  ", "bold"), str(folder)))
    if (folder / "report.html").is_file():
        out.print(Text.assemble(("report ", "bold"), str(folder / "report.html")))
    links = [
        link
        for run in plan.runs
        for record in (run.base_folder.record(), run.folder.record())
        if record is not None
        for link in _links(record)
    ]
    links = list(dict.fromkeys([*links, *mirrored]))
    sync = [link.removeprefix("wandb sync ") for link in links if link.startswith("wandb sync ")]
    if sync:
        line = Text.assemble(("W&B    ", "bold"), "wandb sync ", " ".join(map(_short, sync)))
        out.print(line, soft_wrap=True)  # to be copied, so in one piece
    for link in links:
        if not link.startswith("wandb sync "):
            name = "open   " if "trackio show" in link else "W&B    "
            out.print(Text.assemble((name, "bold"), link), soft_wrap=True)


def _links(record: Record) -> list[str]:
    """How to get at what was tracked of a run; older records have one link, or an empty one."""
    told = record.environment.get("tracking") or []
    return [told] if isinstance(told, str) else list(told)


def _misses(plan: Plan) -> str:
    """What the runs took against their uncorrected estimates, smallest to largest."""
    done = [record for run in plan.runs if (record := run.folder.record()) and record.estimate]
    told = []
    for name, find in (("memory", estimate.memory_ratio), ("time", estimate.time_ratio)):
        ratios = sorted(ratio for record in done if (ratio := find(record)) is not None)
        if ratios:
            low, high = f"{ratios[0]:.1f}", f"{ratios[-1]:.1f}"
            told.append(f"{name} {low if low == high else f'{low} to {high}'} x")
    return f"{', '.join(told)} of the estimate by configuration alone" if told else ""


def _short(path: str) -> str:
    relative = os.path.relpath(path)
    return relative if len(relative) < len(path) else path
