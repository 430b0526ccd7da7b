"""What a sweep ends with: scores, a judgement, a report, and their mirrors.

The runs are through by then, so a hindrance here is told and changes no exit code.
"""

from __future__ import annotations

import csv
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mtsweep.errors import MtsweepError, UserError

if TYPE_CHECKING:
    from rich.console import Console

    from mtsweep.compare import Comparison
    from mtsweep.compare.settings import Found
    from mtsweep.config import TrackingConfig
    from mtsweep.plan import Plan, Run
    from mtsweep.table import Row


def comet(plan: Plan) -> None:
    """Score what asks for COMET; the sweep is through, so a hindrance is only told."""
    from mtsweep.evaluation.comet import Comet, complete

    wanted: dict[Comet, dict[str, Found]] = {}
    for run in plan.runs:
        asked = run.config.evaluation
        if "comet" in asked.metrics:
            comet = Comet(asked.comet_model, asked.comet_python, asked.comet_batch_size)
            for folder in (run.base_folder, run.folder):
                if (record := folder.record()) is not None:
                    wanted.setdefault(comet, {})[folder.id] = (folder, record)
    for comet, found in wanted.items():
        try:
            complete(list(found.values()), comet, plan.output)
        except MtsweepError as error:
            print(f"no COMET: {error}\n  the same command tries again", file=sys.stderr)


def tabulate(out: Console, folder: Path, table: list[Row], shown: list[Row] | None = None) -> None:
    """Write the scores, and show them, or those of the rows named."""
    from mtsweep import byparts, terminal
    from mtsweep.record import write
    from mtsweep.table import as_csv

    write(folder / "table.csv", as_csv(table))
    shown = table if shown is None else shown
    terminal.show(out, shown)
    told = [(row.label, row.record) for row in table if row.record is not None]
    if byparts.by_parts(told):
        write(folder / "parts.csv", byparts.as_csv(told))
    seen = [(row.label, row.record) for row in shown if row.record is not None]
    if parts := byparts.by_parts(seen):
        terminal.parts(out, parts)


def judge(out: Console, table: Sequence[Row], folder: Path, *, anew: bool) -> Comparison | None:
    """Say what the scores allow to be said; the sweep is through, so a hindrance is only told.

    Returns:
        The comparison; ``None`` where there is none, or where none is wanted ``anew`` and what was
        said of the same records is said again.
    """
    from mtsweep import verdicts
    from mtsweep.compare import compare
    from mtsweep.compare.kept import keep, kept

    found = [(row.folder, row.record) for row in table if row.folder and row.record]
    if len(found) < 2:
        return None
    if not anew and (sentences := kept(folder, found)) is not None:
        verdicts.words(out, sentences)
        return None
    try:
        comparison = compare(found)
    except UserError as error:
        print(f"no judgement: {error}", file=sys.stderr)
        return None
    keep(folder, found, comparison)
    verdicts.words(out, comparison.sentences)
    return comparison


def conclude(out: Console, plan: Plan, comparison: Comparison | None, *, anew: bool) -> None:
    """Write the report, mirror it, and say where everything lies."""
    from mtsweep import terminal

    folder = plan.folder
    if plan.runs and (anew or not (folder / "report.html").is_file()):
        _report(folder, comparison)
    tracker = plan.runs[0].config.tracking if plan.runs and anew else None
    mirrored = _mirrored(tracker, folder, comparison) if tracker else []
    terminal.epilogue(out, plan, folder, mirrored)


def tell_failure(run: Run, reason: str) -> None:
    """Name a run that failed, why, and where to read on."""
    print(f"failed: {run.label}: {reason}\n  log: {run.folder.log}", file=sys.stderr)


def _report(folder: Path, comparison: Comparison | None) -> None:
    """Write the sweep's report; the sweep is through, so whatever goes wrong here is only told."""
    from mtsweep.report import write_report

    try:
        write_report(folder, comparison=comparison)
    except Exception as error:  # noqa: BLE001 - records are finished, and a report can be made anew
        again = shlex.join(["python", "-m", "mtsweep", "report", str(folder)])
        told = str(error) if isinstance(error, MtsweepError) else f"{type(error).__name__}: {error}"
        print(f"no report: {told}\n  to try again: {again}", file=sys.stderr)


def _mirrored(config: TrackingConfig, folder: Path, comparison: Comparison | None) -> list[str]:
    """Give the trackers the comparison and the report; says how to get at them."""
    from mtsweep import tracking

    if not (folder / "report.html").is_file():
        return []
    text = (folder / "table.csv").read_text(encoding="utf-8")
    outcome = tracking.Outcome(
        table=list(csv.reader(text.splitlines())),
        judgement=comparison.sentences if comparison else (),
        files=[folder / name for name in ("report.html", "report.md", "pictures", "table.csv")],
    )
    return tracking.publish(config, folder, outcome)
