"""What the settings did, as pictures: curves with fits, bars, heat maps, shares of variance."""

from __future__ import annotations

from collections.abc import Iterator

from mtsweep.compare import Ablation, Comparison, Curve, Grid, Line, Share
from mtsweep.compare.effects import number, short, told
from mtsweep.report.charts import Chart, Heat, Picture, Series
from mtsweep.scores import LABELS, rounded

_LINES = 8
"""Lines that one chart holds, the palette's colours; further ones are counted in a note."""
_PICTURES = 8
"""Of each kind, in a group of runs that are ranked together."""


def settings(comparison: Comparison, metric: str) -> Iterator[Picture]:
    """The pictures of one metric, group by group."""
    groups = [each for each in comparison.ablations if each.metric == metric]
    for place, ablation in enumerate(groups, 1):
        mark = f"-{place}" if len(groups) > 1 else ""
        where = f", group {place}" if len(groups) > 1 else ""
        for curve in ablation.curves[:_PICTURES]:
            yield _curve(curve, ablation, mark, where)
        for grid in ablation.grids[:_PICTURES]:
            yield _grid(grid, ablation, mark, where)
        if ablation.shares:
            yield _shares(ablation, mark, where)


def _curve(curve: Curve, ablation: Ablation, mark: str, where: str) -> Chart:
    label, name = LABELS[ablation.metric], short(curve.axis)
    drawn = [
        series
        for place, line in enumerate(curve.lines[:_LINES])
        for series in _line(line, place, numeric=curve.numeric)
    ]
    more = len(curve.lines) - _LINES
    return Chart(
        f"setting{mark}-{name.replace('.', '-')}", f"{label} by {name}{where}", name, label,
        tuple(drawn), bars=not curve.numeric, log_x=curve.log,
        note=f"{more} more lines are in compare --format json." if more > 0 else "",
    )  # fmt: skip


def _line(line: Line, place: int, *, numeric: bool) -> Iterator[Series]:
    name = told(line.held)
    yield Series(
        name,
        [point.x if numeric else number(point.x) for point in line.points],
        [point.value for point in line.points],
        [point.low for point in line.points],
        [point.high for point in line.points],
        colour=place,
    )
    if line.fit is not None:
        xs, middle, low, high = (list(part) for part in zip(*line.fit.band, strict=True))
        yield Series(f"{name} fitted".strip(), xs, middle, colour=place, style="dash")
        yield from (Series("", xs, ends, style="dash") for ends in (low, high))


def _grid(grid: Grid, ablation: Ablation, mark: str, where: str) -> Heat:
    across, down = short(grid.across), short(grid.down)
    texts = [
        ["" if cell is None else rounded(ablation.metric, cell) for cell in line]
        for line in grid.cells
    ]
    return Heat(
        f"grid{mark}-{across}-{down}".replace(".", "-"),
        f"{LABELS[ablation.metric]} by {across} and {down}{where}",
        [number(value) for value in grid.columns], [number(value) for value in grid.lines],
        grid.cells, texts, x_title=across, y_title=down,
        note="The mean over whatever else varies.",
    )  # fmt: skip


def _shares(ablation: Ablation, mark: str, where: str) -> Chart:
    def series(name: str, place: int | None, shares: tuple[Share, ...]) -> Series:
        names = [short(each.axis) for each in shares]
        if place is None:
            return Series(name, names, [each.noise for each in shares])
        return Series(
            name, names, [each.share for each in shares], [each.low for each in shares],
            [each.high for each in shares], colour=place,
        )  # fmt: skip

    return Chart(
        f"variance{mark}", f"Which setting matters{where}", "",
        f"share of the variance of {LABELS[ablation.metric]}",
        (series("of the runs", 0, ablation.shares), series("by chance", None, ablation.shares)),
        bars=True, note="Main effects; by chance: what resampled segments and seeds alone give.",
    )  # fmt: skip
