"""Charts as plotly's own data and layout; colours are named, and the page puts them in.

The dictionaries are made here rather than by plotly's classes, which take a second to import.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mtsweep.report.charts import Chart, Heat, Picture, Series


def bundle() -> str:
    """plotly.js, whole, as its Python package carries it."""
    from importlib.util import find_spec

    spec = find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("plotly is not installed")
    (place,) = spec.submodule_search_locations
    return (Path(place) / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def figure(picture: Picture) -> dict[str, Any]:
    """What ``Plotly.newPlot`` takes; strings that begin with ``@`` name colours of the page."""
    made = _heat(picture) if isinstance(picture, Heat) else _chart(picture)
    return {"name": picture.name, **made}


def _chart(chart: Chart) -> dict[str, Any]:
    single = len([series for series in chart.series if series.name]) <= 1
    x_range = {"rangemode": "tozero"} if chart.from_zero else {}
    layout = {
        "xaxis": {"title": {"text": _plain(chart.x_title)}, "type": _axis(chart), **x_range},
        "yaxis": {"title": {"text": _plain(chart.y_title)}},
        "showlegend": not single and not chart.labelled,
        "barmode": "group",
        "hovermode": "closest",
    }
    return {"data": [_trace(series, chart) for series in chart.series], "layout": layout}


def _axis(chart: Chart) -> str:
    texts = any(isinstance(x, str) for series in chart.series for x in series.x)
    return "category" if texts else "log" if chart.log_x else "linear"


def _trace(series: Series, chart: Chart) -> dict[str, Any]:
    colour = "@muted" if series.colour is None else f"@{series.colour}"
    trace: dict[str, Any] = {
        "type": "bar" if chart.bars else "scatter",
        "name": _plain(series.name),
        "showlegend": bool(series.name),
        "x": list(series.x),
        "y": list(series.y),
    }
    if chart.bars:
        trace["marker"] = {"color": colour}
    else:
        points = series.style == "points" or len(series.x) <= 30
        text = "+text" if chart.labelled and series.text else ""
        line = "lines+" if series.style == "line" and points else "lines"
        trace["mode"] = "markers" + text if series.style == "points" else line.rstrip("+")
        if trace["mode"] == "lines" and points and series.style == "line":
            trace["mode"] = "lines+markers"
        trace["line"] = {"color": colour, "width": 2, "dash": _dash(series)}
        trace["marker"] = {"color": colour, "size": 9 if series.style == "points" else 5}
        if text:
            middle = max(map(float, series.x)) / 2  # such charts begin at 0
            trace["textposition"] = [
                "top right" if float(x) <= middle else "top left" for x in series.x
            ]
            trace["cliponaxis"] = False
    if series.text is not None:
        trace["text"] = [_plain(text) for text in series.text]
        if chart.bars:
            trace["textposition"] = "none"
    if series.low is not None and series.high is not None:
        trace["error_y"] = _errors(series, colour if not chart.bars else "@ink")
    return trace


def _dash(series: Series) -> str:
    return "dash" if series.style == "dash" else "solid"


def _errors(series: Series, colour: str) -> dict[str, Any]:
    rows = list(zip(series.y, series.low or (), series.high or (), strict=True))
    return {
        "type": "data",
        "symmetric": False,
        "array": [None if y is None or high is None else high - y for y, _, high in rows],
        "arrayminus": [None if y is None or low is None else y - low for y, low, _ in rows],
        "color": colour,
        "thickness": 1.2,
        "width": 4,
    }


def _heat(heat: Heat) -> dict[str, Any]:
    most = 14
    trace = {
        "type": "heatmap",
        "x": list(range(len(heat.x))),
        "y": list(range(len(heat.y))),
        "z": [list(row) for row in heat.values],
        "text": [[_plain(cell) for cell in row] for row in heat.text],
        "customdata": [[f"{_plain(y)} / {_plain(x)}" for x in heat.x] for y in heat.y],
        "hovertemplate": "%{customdata}<br>%{text}<extra></extra>",
        "xgap": 2,
        "ygap": 2,
        "colorscale": f"@{heat.scale}",
        "showscale": False,
    }
    if len(heat.x) <= most:
        trace["texttemplate"] = "%{text}"
    if heat.scale == "doubt":
        trace |= {"zmin": 0, "zmax": 0.2}
    return {"data": [trace], "layout": {
        "xaxis": {"title": {"text": _plain(heat.x_title)}, "tickvals": trace["x"],
                  "ticktext": _short(heat.x), "showgrid": False, "zeroline": False},
        "yaxis": {"title": {"text": _plain(heat.y_title)}, "tickvals": trace["y"],
                  "ticktext": _short(heat.y), "autorange": "reversed", "showgrid": False,
                  "zeroline": False},
        "height": 160 + 28 * len(heat.y) if len(heat.y) <= 40 else 1000,
    }}  # fmt: skip


def _short(names: object) -> list[str]:
    return [_plain(str(name) if len(str(name)) <= 36 else f"{str(name)[:35]}…") for name in names]  # type: ignore[attr-defined]


def _plain(text: str) -> str:
    """Text that plotly shows as it stands: it knows some HTML of its own, and $ for formulas."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("$", "&#36;")
