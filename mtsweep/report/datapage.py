"""``data.html``: what a corpus holds and what was left out of it, in one file without scripts' aid.

The histograms are drawn as SVG by the template, so that they print and need no library.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mtsweep import __version__, languages
from mtsweep.data.pairs import Pair
from mtsweep.data.survey import Histogram, Spread, Stage, Survey, Told, visible
from mtsweep.report.page import environment, policy, template

_SHOWN = 600
_LEAKS = 50
_ORIGINS = 40
_WIDTH, _HEIGHT = 560.0, 190.0
"""Of a histogram's inside, in its own units."""


@dataclass(frozen=True)
class Subject:
    """A corpus that was looked over, and what the page calls it."""

    name: str
    command: str
    source: str
    """Reader of the data."""
    survey: Survey


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram, in the units of the drawing."""

    x: float
    y: float
    width: float
    height: float
    colour: int
    says: str


@dataclass(frozen=True)
class Drawing:
    """A histogram as the template draws it."""

    title: str
    note: str
    names: tuple[str, ...]
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    lines: tuple[tuple[float, str], ...]
    width: float = _WIDTH
    height: float = _HEIGHT


def render(subjects: Sequence[Subject]) -> str:
    """The page, whole; every text in it is escaped by the template."""
    from markupsafe import Markup

    script = template("data.js")
    css = template("report.css") + template("data.css")
    return environment().get_template("data.html.j2").render(
        subjects=[_view(each) for each in subjects],
        title="Data: " + ", ".join(dict.fromkeys(each.name for each in subjects)),
        version=__version__,
        policy=policy([script]),
        # Ours: no text of the data is in them.
        css=Markup(css),  # noqa: S704
        script=Markup(script),  # noqa: S704
    )  # fmt: skip


def _view(subject: Subject) -> dict[str, object]:
    found = subject.survey
    first = found.pairs[0]
    return {
        "name": subject.name,
        "command": subject.command,
        "facts": _facts(subject),
        "funnels": [
            (title, [_row(stage, first) for stage in stages])
            for title, stages in (
                ("Real pairs" if found.synthetic_stages else "", found.stages),
                ("Synthetic pairs", found.synthetic_stages),
            )
            if stages
        ],
        "malformed": found.malformed,
        "origins": found.origins[:_ORIGINS] if len(found.origins) > 1 else (),
        "more_origins": max(0, len(found.origins) - _ORIGINS),
        "spreads": [(name, spread_cells(spread)) for name, spread in found.spreads],
        "drawings": [_drawing(each) for each in found.histograms],
        "told": [(told_of(each), told_found(each)) for each in found.told],
        "samples": [
            {"id": pair.id, "origin": pair.origin, **_sides(pair, pair.languages or first[:2])}
            for pair in found.samples
        ],
        "leaks": [
            {
                "train": leak.train,
                "held_out": leak.held_out,
                "side": leak.side,
                "similarity": f"{leak.similarity:.2f}",
                "text": visible(leak.text, _SHOWN),
                **_written(first[1] if leak.side == "target" else first[0]),
            }
            for leak in found.leaks[:_LEAKS]
        ],
        "leaked": len(found.leaks),
    }


def _facts(subject: Subject) -> list[tuple[str, str]]:
    found = subject.survey
    return [
        *((("languages", direction_of(*pair))) for pair in found.pairs),
        *(("read from", visible(line)) for line in found.provenance or (subject.source,)),
        ("pairs", f"{found.train:,} train, {found.dev:,} dev, {found.test:,} test"),
        ("fingerprint", found.fingerprint),
        ("of the test set", found.test_fingerprint),
    ]


def direction_of(source: str, target: str, count: int) -> str:
    """A language pair in words."""
    names = f"{languages.name(source)} to {languages.name(target)}"
    return f"{names} ({source} to {target}), {count:,} training pairs"


def spread_cells(spread: Spread) -> list[str]:
    """Mean, 5 %, median, 95 % and the largest, as text."""
    values = (spread.mean, spread.low, spread.median, spread.high, spread.most)
    return [
        f"{value:.2f}" if value < 10 and value != int(value) else f"{value:,.0f}"
        for value in values
    ]


def told_of(told: Told) -> str:
    """Which texts py3langid was asked about."""
    return f"{told.side}, {languages.name(told.language)} ({told.texts:,} texts of 4 words or more)"


def told_found(told: Told) -> str:
    """What it took them for."""
    if not told.texts:
        return "none long enough to tell"
    return ", ".join(f"{code or 'not sure'} {count / told.texts:.1%}" for code, count in told.found)


def _row(stage: Stage, codes: tuple[str, str, int]) -> dict[str, object]:
    step = stage.step
    return {
        "name": stage.name,
        "left": stage.left,
        "out": stage.out,
        "changed": step.changed if step else 0,
        "held_out": step.held_out if step else 0,
        "did": "changed" if step and not step.dropped else "dropped",
        "examples": [
            # What was dropped may be in any script: its own first letter settles its direction.
            [{**side, "dir": "auto"} for side in _texts(*example, codes[:2])]
            for example in (step.examples if step else stage.examples)
        ],
    }


def _sides(pair: Pair, codes: tuple[str, str]) -> dict[str, object]:
    return {"texts": _texts(pair.source, pair.target, codes)}


def _texts(source: str, target: str, codes: tuple[str, str]) -> list[dict[str, str]]:
    return [
        {"text": visible(text, _SHOWN), **_written(code)}
        for text, code in ((source, codes[0]), (target, codes[1]))
    ]


def _written(code: str) -> dict[str, str]:
    return {"lang": code.replace("_", "-"), "dir": languages.direction(code)}


def _drawing(histogram: Histogram) -> Drawing:
    edges, most = histogram.edges, max(max(counts) for _, counts in histogram.counts) or 1
    bins, series = len(edges) - 1, len(histogram.counts)
    top, marks = _round_marks(most)
    slot = _WIDTH / bins
    width = 0.86 * slot / series
    bars = [
        Bar(
            x=round(place * slot + 0.07 * slot + number * width, 2),
            y=round(_HEIGHT * (1 - count / top), 2),
            width=round(width, 2),
            height=round(_HEIGHT * count / top, 2),
            colour=number,
            says=f"{name}, {_bin(histogram, place)}: {count:,}",
        )
        for number, (name, counts) in enumerate(histogram.counts)
        for place, count in enumerate(counts)
        if count
    ]
    stride = max(1, math.ceil(bins / 8))
    ticks = [(place * slot, _number(edges[place])) for place in range(0, bins + 1, stride)]
    note = (
        f"the last bar also counts the {histogram.beyond:,} beyond its end"
        if histogram.beyond
        else ""
    )
    return Drawing(
        title=histogram.title,
        note=note,
        names=tuple(name for name, _ in histogram.counts),
        bars=tuple(bars),
        ticks=tuple((round(x, 1), text) for x, text in ticks),
        lines=tuple((round(_HEIGHT * (1 - mark / top), 1), f"{mark:,}") for mark in marks),
    )


def _bin(histogram: Histogram, place: int) -> str:
    low, high = histogram.edges[place : place + 2]
    if histogram.unit == "ratio":
        return f"{low:.2f} to {high:.2f}"
    last = int(high) - 1
    return f"{int(low)}" if last <= low else f"{int(low)} to {last} {histogram.unit}"


def _number(value: float) -> str:
    return f"{value:.1f}" if value != int(value) else f"{int(value):,}"


def _round_marks(most: int) -> tuple[float, list[int]]:
    """Top of the axis, and three or so round counts for its lines."""
    step = 10 ** math.floor(math.log10(most))
    step = next((s for s in (step // 5, step // 2, step) if s and most / s <= 4), step * 2)
    marks = list(range(step, most + 1, step))
    return most * 1.04, marks
