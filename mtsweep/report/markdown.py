"""``report.md``: the same figures for a Git page or a paper, with pictures beside it."""

from __future__ import annotations

import re
from pathlib import Path

from mtsweep.report import drawn
from mtsweep.report.content import Content
from mtsweep.report.page import environment, one, signed

PICTURES = "pictures"
"""Folder of the pictures, beside ``report.md``."""


def render(content: Content) -> str:
    """The text; pictures are drawn by :func:`draw`."""
    judged = content.judged
    made = environment().overlay(autoescape=False)
    made.filters |= {"md": escaped, "one": one, "signed": signed, "fenced": fenced}
    text = made.get_template("report.md.j2").render(
        page=content,
        judged=judged,
        folder=PICTURES,
        sections=[
            (title, notes, charts)
            for title, notes, charts in (
                ("What the settings do", judged.ablation_notes, judged.ablation),
                ("Which differences are real", judged.significance_notes, judged.significance),
                ("Training", (), content.curves),
            )
            if charts
        ],
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def draw(content: Content, folder: Path) -> None:
    """Every chart as PNG and SVG, under ``folder/pictures``."""
    place = folder / PICTURES
    place.mkdir(exist_ok=True)
    for picture in content.pictures:
        drawn.draw(picture, place)


def escaped(text: object) -> str:
    """Text that Markdown shows as it stands, inside a table cell too."""
    flat = " ".join(str(text).split())
    safe = re.sub(r"([\\`*_\[\]|~$])", r"\\\1", flat)
    return safe.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fenced(text: str) -> str:
    """Text that does not end a block of code that it stands in."""
    return text.replace("```", "` ` `")
