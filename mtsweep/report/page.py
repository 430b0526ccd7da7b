"""``report.html``: one file that needs nothing else, and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mtsweep.report import interactive
from mtsweep.report.content import Content, Scale
from mtsweep.report.entries import Sweep
from mtsweep.report.samples import Packed, SampleSet, pack
from mtsweep.scores import gained, rounded

_TEMPLATES = Path(__file__).parent / "templates"
_ON_PAPER = 5


def render(sweep: Sweep, content: Content, sets: Sequence[SampleSet]) -> str:
    """The page, whole. Text is escaped by the template, data by :func:`embedded`."""
    from markupsafe import Markup

    packed = pack(sets)
    figures = [interactive.figure(picture) for picture in content.pictures]
    app, start, css = (template(name) for name in ("report.js", "charts.js", "report.css"))
    plotly = interactive.bundle() if figures else ""
    data = {
        "runs": [{"id": e.id, "label": e.label, "kind": e.kind} for e in sweep.finished],
        "sets": packed.sets,
        "figures": figures,
        "best": content.judged.best,
    }
    return environment().get_template("report.html.j2").render(
        page=_view(sweep, content, sets, packed, figures),
        policy=policy([app, plotly, start] if figures else [app]),
        # Ours, and plotly's: no text of the data is in them.
        css=Markup(css),  # noqa: S704
        app=Markup(app),  # noqa: S704
        plotly=Markup(plotly),  # noqa: S704
        start=Markup(start),  # noqa: S704
        data=Markup(embedded(data)),  # noqa: S704
    )  # fmt: skip


def environment() -> Any:  # noqa: ANN401
    """Jinja with every value escaped, and numbers in the page's form."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"one": one, "signed": signed, "at": _at}
    return made


def one(value: float, metric: str = "") -> str:
    """With one digit behind the point, or as many as the metric deserves."""
    return rounded(metric, value)


def signed(value: float, metric: str = "") -> str:
    """A difference, with its sign."""
    return gained(metric, value).replace("-", "\N{MINUS SIGN}")


def _at(value: float, scale: Scale) -> str:
    """Place on a scale, with room for a dot at both ends."""
    share = (value - scale.low) / (scale.high - scale.low) if scale.high > scale.low else 0.5
    return f"{4 + 92 * share:.2f}%"


def policy(scripts: Sequence[str]) -> str:
    """A content security policy under which these scripts run, and nothing is fetched."""
    allowed = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def embedded(value: object) -> str:
    """JSON that may stand inside a ``<script>``: nothing in it ends or opens an element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def template(name: str) -> str:
    """A style sheet or a script, as it stands."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class _Shown:
    """A text of a segment on paper."""

    who: str
    text: str
    lang: str
    dir: str
    score: float | None = None


def _view(
    sweep: Sweep,
    content: Content,
    sets: Sequence[SampleSet],
    packed: Packed,
    figures: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    judged = content.judged
    return {
        **{name: getattr(content, name) for name in content.__dataclass_fields__},
        "sentences": judged.sentences,
        "warnings": judged.warnings,
        "ablation": judged.ablation,
        "ablation_notes": judged.ablation_notes,
        "significance": judged.significance,
        "significance_notes": judged.significance_notes,
        "sections": _sections(content, sets),
        "samples": packed,
        "outputs": _outputs(sets),
        "figures": figures,
        "shown": _on_paper(sweep, sets),
        "cost": {
            "heads": content.cost.heads,
            "rows": [{"kind": kind, "cells": cells} for kind, cells in content.cost.rows],
            "charts": content.cost.charts,
            "note": _COST_NOTE,
        },
        "settings": [
            {"label": label, "id": run_id, "differs": differs}
            for label, run_id, differs in content.settings
        ],
    }


_COST_NOTE = (
    "stops by itself: outputs that end with the end token rather than at the length limit; "
    "repeats: word 4-grams that were already in the same output; length ratio: characters of all "
    "outputs over characters of all references."
)


def _outputs(sets: Sequence[SampleSet]) -> str:
    """What the outputs are called; what stays in its language is no translation."""
    chat = all(each.source_lang == each.target_lang for each in sets)
    return "Answers" if sets and chat else "Translations"


def _sections(content: Content, sets: Sequence[SampleSet]) -> list[tuple[str, str]]:
    there = {
        "judgement": ("Judgement", True),
        "scores": ("Scores", True),
        "parts": ("Parts", bool(content.parts)),
        "ablation": ("Settings", bool(content.judged.ablation)),
        "significance": ("Significance", bool(content.judged.significance)),
        "curves": ("Training", bool(content.curves)),
        "samples": (_outputs(sets), bool(sets)),
        "humans": ("People", bool(content.humans)),
        "cost": ("Cost", True),
        "data": ("Data", True),
        "provenance": ("Provenance", True),
    }
    return [(name, title) for name, (title, shown) in there.items() if shown]


def _on_paper(sweep: Sweep, sets: Sequence[SampleSet]) -> list[dict[str, Any]]:
    """A few segments for print, where the browser is not."""
    if not sets:
        return []
    first = sets[0]
    said = partial(
        _Shown, lang=first.target_lang.replace("_", "-"), dir=first.direction(first.target_lang)
    )
    runs = [entry for entry in sweep.finished if entry.id in first.hypotheses][:4]
    shown = []
    for index in range(min(_ON_PAPER, len(first.ids))):
        source = _Shown(
            "source", first.sources[index], first.source_lang.replace("_", "-"),
            first.direction(first.source_lang),
        )  # fmt: skip
        outputs = [
            said(
                entry.label, first.hypotheses[entry.id][index], score=first.scores[entry.id][index]
            )
            for entry in runs
        ]
        reference = said("reference", first.references[index])
        shown.append({"id": first.ids[index], "texts": [source, reference, *outputs]})
    return shown
