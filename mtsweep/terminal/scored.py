"""The table of scores and cost, and what stands below it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mtsweep import byparts
from mtsweep.behaviour import behaviour
from mtsweep.byparts import ByParts
from mtsweep.record import Record
from mtsweep.scores import LABELS, Score, gained, rounded
from mtsweep.table import Row
from mtsweep.terminal.screen import count


def show(out: Console, table: list[Row]) -> None:
    """Print the comparison."""
    scored = dict.fromkeys(name for row in table if row.record for name in row.record.scores)
    metrics, *further = abreast(list(scored))
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    shown.add_column("run", overflow="fold")
    for name in metrics:
        shown.add_column(LABELS[name], justify="right", no_wrap=True)
        shown.add_column("to base", justify="right", no_wrap=True)
    stepped = any(row.record and row.record.cost.seconds_per_step for row in table)
    told = ["stops", "train", *(["a step"] if stepped else []), "score", "memory", "trained"]
    for heading in (*told, "stored"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for row in table:
        if row.record is None:
            blank = [""] * (2 * len(metrics) + len(told))
            ended = Text(row.state, "red" if row.state == "failed" else "yellow")
            shown.add_row(Text(row.label), *blank, ended)
        else:
            shown.add_row(Text(row.label), *_cells(row.record, metrics, stepped=stepped))
    out.print()
    out.print(shown)
    for names in further:
        out.print()
        out.print(_scores(table, names))
    counts = {
        str(score.segments)
        for row in table
        if row.record is not None
        for score in row.record.scores.values()
    }
    if counts:
        note = (
            f"±: half of the 95 % bootstrap interval over {' or '.join(sorted(counts))} segments; "
            "stops: outputs that end by themselves; signatures: table.csv"
        )
        out.print(Text(note, style="dim"))
    if (figures := behaviour(table)) is not None:
        out.print()
        out.print(figures)


def abreast(names: Sequence[str]) -> list[list[str]]:
    """Metrics in the groups that stand side by side: two beside what runs cost, then four each."""
    groups = [list(names[:2])]
    return [*groups, *(list(names[start : start + 4]) for start in range(2, len(names), 4))]


def _scores(table: Sequence[Row], names: Sequence[str]) -> Table:
    """Further metrics of the rows that have records."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    shown.add_column("run", overflow="fold")
    for name in names:
        shown.add_column(LABELS[name], justify="right", no_wrap=True)
        shown.add_column("to base", justify="right", no_wrap=True)
    for row in table:
        if row.record is not None:
            shown.add_row(Text(row.label), *_scored(row.record, names))
    return shown


def _scored(record: Record, metrics: Sequence[str]) -> list[str]:
    cells: list[str] = []
    compared = record.kind == "run"
    for name in metrics:
        score, base = record.scores.get(name), record.base_scores.get(name)
        if score is None:
            cells += ["", ""]
            continue
        cells += [
            _with_interval(name, score),
            gained(name, score.value - base.value) if compared and base else "",
        ]
    return cells


def _cells(record: Record, metrics: Sequence[str], *, stepped: bool) -> list[str]:
    cost = record.cost
    return [
        *_scored(record, metrics),
        f"{record.degeneration.stopped:.0%}",
        f"{cost.seconds_train:.0f} s" if record.kind == "run" else "",
        *([f"{cost.seconds_per_step:.2g} s" if cost.seconds_per_step else ""] if stepped else []),
        f"{cost.seconds_evaluate:.0f} s",
        f"{cost.peak_memory_bytes / 2**30:.1f} GiB",
        count(cost.trainable_parameters) if record.kind == "run" else "",
        f"{cost.adapter_bytes / 1e6:.1f} MB" if cost.adapter_bytes else "",
    ]


def _with_interval(name: str, score: Score) -> str:
    value = rounded(name, score.value)
    if score.low is None or score.high is None:
        return value
    return f"{value} ±{rounded(name, (score.high - score.low) / 2)}"


def parts(out: Console, told: ByParts) -> None:
    """Scores of one metric by language pair and source, a line a row."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    shown.add_column(f"{LABELS[told.metric]} by part", overflow="fold")
    for part in told.parts:
        shown.add_column(byparts.short(part), justify="right", no_wrap=True)
    for label, scores in told.lines:
        cells = [
            _with_interval(told.metric, scores[part]) if part in scores else ""
            for part in told.parts
        ]
        shown.add_row(Text(label), *cells)
    out.print()
    out.print(shown)
