"""Charts as PNG and SVG files, drawn by matplotlib."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtsweep.report.charts import PALETTE, Chart, Heat, Picture, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MUTED = "#8a8f98"
_NAMED = 16
"""Series that a legend names; more of them would leave no room for the chart."""
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9aa0a8",
    "axes.grid": True,
    "grid.color": "#e6e8eb",
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "legend.frameon": False,
    "svg.hashsalt": "mtsweep",  # the same picture is the same file
    "svg.fonttype": "path",
    "text.parse_math": False,
}


def draw(picture: Picture, folder: Path) -> str:
    """Write ``<name>.png`` and ``<name>.svg``; returns the first one's file name."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # A label in a script that the font lacks is drawn as boxes; its text stands in the table.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        figure = Figure(figsize=_size(picture), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        if isinstance(picture, Heat):
            _heat(axes, picture)
        else:
            _chart(axes, picture)
        axes.set_title(picture.title)
        for kind in ("png", "svg"):
            out = io.BytesIO()
            told = (
                {"Date": None, "Creator": "mtsweep"} if kind == "svg" else {"Software": "mtsweep"}
            )
            figure.savefig(out, format=kind, dpi=144, metadata=told)
            figure.set_layout_engine("none")  # laid out once, for both files
            (folder / f"{picture.name}.{kind}").write_bytes(out.getvalue())
    return f"{picture.name}.png"


def _size(picture: Picture) -> tuple[float, float]:
    if isinstance(picture, Heat):
        return min(16, 3.2 + 0.7 * len(picture.x)), min(16, 1.8 + 0.42 * len(picture.y))
    return 7.0, 3.8


def _chart(axes: Axes, chart: Chart) -> None:
    if chart.bars:
        _bars(axes, chart)
    else:
        for series in chart.series:
            _line(axes, series, labelled=chart.labelled)
    if chart.log_x and not chart.bars:
        axes.set_xscale("log")
        ticks = sorted({float(x) for series in chart.series for x in series.x if series.low})
        if 0 < len(ticks) <= 8:
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.minorticks_off()
    if chart.from_zero:
        axes.set_xlim(left=0, right=axes.get_xlim()[1] * 1.05)
    axes.set_xlabel(chart.x_title)
    axes.set_ylabel(chart.y_title)
    named = [series.name for series in chart.series if series.name]
    if 1 < len(named) <= _NAMED and not chart.labelled:
        many = len(named) > 8
        axes.legend(fontsize=6 if many else 8, ncols=2 if many else 1, loc="best")


def _line(axes: Axes, series: Series, *, labelled: bool) -> None:
    colour = _colour(series)
    known = [
        (float(x), float(y), index)
        for index, (x, y) in enumerate(zip(series.x, series.y, strict=True))
        if y is not None
    ]
    if not known:
        return
    xs, ys = [x for x, _, _ in known], [y for _, y, _ in known]
    marker = "o" if series.style == "points" or (series.style == "line" and len(xs) <= 30) else ""
    line = {"line": "-", "dash": "--", "points": "none"}[series.style]
    axes.plot(xs, ys, color=colour, linestyle=line, marker=marker, markersize=4, label=series.name)
    if series.low is not None and series.high is not None:
        low = [series.low[index] for _, _, index in known]
        high = [series.high[index] for _, _, index in known]
        spread = [
            [0.0 if end is None else max(0.0, y - end) for y, end in zip(ys, low, strict=True)],
            [0.0 if end is None else max(0.0, end - y) for y, end in zip(ys, high, strict=True)],
        ]
        axes.errorbar(xs, ys, yerr=spread, fmt="none", ecolor=colour, capsize=3, linewidth=1)
    if labelled and series.text:
        middle = max(xs) / 2  # such charts begin at 0
        for x, y, index in known:
            left = x <= middle
            axes.annotate(
                series.text[index], (x, y), xytext=(5 if left else -5, 4), fontsize=7,
                textcoords="offset points", ha="left" if left else "right",
            )  # fmt: skip


def _bars(axes: Axes, chart: Chart) -> None:
    names = list(dict.fromkeys(str(x) for series in chart.series for x in series.x))
    width = 0.8 / len(chart.series)
    for number, series in enumerate(chart.series):
        for x, y, low, high in zip(
            series.x, series.y, series.low or series.y, series.high or series.y, strict=True
        ):
            if y is None:
                continue
            place = names.index(str(x)) + (number - (len(chart.series) - 1) / 2) * width
            first = x == series.x[0]
            axes.bar(
                place, y, width * 0.92, color=_colour(series), label=series.name if first else None,
                yerr=[[y - (y if low is None else low)], [(y if high is None else high) - y]],
                error_kw={"elinewidth": 1, "capsize": 3, "ecolor": "#333"},
            )  # fmt: skip
    turned = 30 if max(map(len, names), default=0) * len(names) > 60 else 0
    axes.set_xticks(range(len(names)), names, rotation=turned, ha="right" if turned else "center")


def _heat(axes: Axes, heat: Heat) -> None:
    import numpy as np

    values = np.array([[np.nan if v is None else v for v in row] for row in heat.values], float)
    doubt = heat.scale == "doubt"
    low, high = (0.0, 0.2) if doubt else (float(np.nanmin(values)), float(np.nanmax(values)))
    cmap = "Blues_r" if doubt else "Blues"
    axes.imshow(values, cmap=cmap, aspect="auto", vmin=low, vmax=high)
    axes.set_xticks(range(len(heat.x)), heat.x, rotation=40, ha="right")
    axes.set_yticks(range(len(heat.y)), heat.y)
    axes.grid(visible=False)
    axes.set_xlabel(heat.x_title)
    axes.set_ylabel(heat.y_title)
    if len(heat.x) > 14:
        return
    for row, texts in enumerate(heat.text):
        for column, text in enumerate(texts):
            share = (values[row, column] - low) / (high - low) if high > low else 0.0
            dark = share < 0.4 if doubt else share > 0.6
            axes.text(column, row, text, ha="center", va="center", fontsize=7,
                      color="white" if dark else "#222")  # fmt: skip


def _colour(series: Series) -> str:
    return _MUTED if series.colour is None else PALETTE[series.colour % len(PALETTE)]
