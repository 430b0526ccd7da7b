"""What a comparison says, on the terminal. Text from data is never read as markup."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mtsweep.compare import Comparison, Grid
from mtsweep.compare.effects import number
from mtsweep.compare.model import Row as Judged
from mtsweep.scores import LABELS, rounded
from mtsweep.terminal import abreast, count

_GRIDS = 3
_COLUMNS = 12


def judged(out: Console, comparison: Comparison) -> None:
    """Print settings with their scores, what is tied with the best, and the judgement in words."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    shown.add_column("run", overflow="fold")
    metrics, *further = abreast(comparison.metrics)
    for name in metrics:
        shown.add_column(LABELS[name], justify="right", no_wrap=True)
        shown.add_column("95 %", no_wrap=True)
    several = any(len(row.ids) > 1 for row in comparison.rows)
    for heading in (*(["seeds"] * several), "train", "memory", "trained"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for row in comparison.rows:
        cells = [cell for name in metrics for cell in _estimate(comparison, row, name)]
        run, cost = row.kind == "run", row.cost
        shown.add_row(
            Text(row.label),
            *cells,
            *([str(len(row.ids)) if run else ""] * several),
            f"{cost['seconds_train']:.0f} s" if run else "",
            f"{cost['peak_memory_bytes'] / 2**30:.1f} GiB",
            count(round(cost["trainable_parameters"])) if run else "",
        )
    out.print(shown)
    for names in further:
        out.print()
        out.print(_estimates(comparison, names))
    out.print(Text("* best, or not shown to be worse than the best", style="dim"))
    for ablation in comparison.ablations:
        if ablation.metric == comparison.metrics[0]:
            for grid in ablation.grids[:_GRIDS]:
                _grid(out, ablation.metric, grid)
    words(out, comparison.sentences)


def _estimates(comparison: Comparison, names: Sequence[str]) -> Table:
    """Further metrics of all rows."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    shown.add_column("run", overflow="fold")
    for name in names:
        shown.add_column(LABELS[name], justify="right", no_wrap=True)
        shown.add_column("95 %", no_wrap=True)
    for row in comparison.rows:
        cells = [cell for name in names for cell in _estimate(comparison, row, name)]
        shown.add_row(Text(row.label), *cells)
    return shown


def _grid(out: Console, metric: str, grid: Grid) -> None:
    """A heat map in figures."""
    if len(grid.columns) > _COLUMNS:
        return
    names = [axis.removesuffix(".name") for axis in (grid.down, grid.across)]
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    shown.add_column(Text(names[0]))
    for column in grid.columns:
        shown.add_column(Text(number(column)), justify="right", no_wrap=True)
    for value, cells in zip(grid.lines, grid.cells, strict=True):
        told = ["" if cell is None else rounded(metric, cell) for cell in cells]
        shown.add_row(Text(number(value)), *told)
    out.print()
    out.print(Text(f"{LABELS[metric]} by {names[0]} (down) and {names[1]} (across)", style="dim"))
    out.print(shown)


def words(out: Console, sentences: Sequence[str]) -> None:
    """The judgement in sentences."""
    out.print()
    for sentence in sentences:
        out.print(Text(sentence))


def _estimate(comparison: Comparison, row: Judged, metric: str) -> tuple[Text, Text]:
    score = row.scores[metric]
    tied = any(row.key in each.tied for each in comparison.verdicts if each.metric == metric)
    value = Text(
        f"{rounded(metric, score.value)}{'*' if tied else ' '}", style="bold" if tied else ""
    )
    return value, Text(
        f"{rounded(metric, score.low)} to {rounded(metric, score.high)}", style="dim"
    )
