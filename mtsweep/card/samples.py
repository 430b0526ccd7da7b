"""Samples of a card: what the untouched and the tuned model say to the same texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtsweep import languages
from mtsweep.card.subject import Subject

_TEXT = 300
"""Characters of a text that are shown."""


@dataclass(frozen=True)
class Sample:
    """One text, and what was said to it."""

    title: str
    lines: Sequence[tuple[str, str, str]]
    """Who, what, and which way it is written (``ltr`` or ``rtl``)."""


def samples(subject: Subject, count: int) -> Iterator[Sample]:
    """Probes, then test segments, evenly out of the test set whatever they are like.

    Args:
        subject: The run.
        count: Test segments at most; without any, probes of the user's own are not shown either.
    """
    base = subject.base[0] if subject.base else None
    before = {str(row["id"]): str(row["hypothesis"])
              for row in (base.predictions("test", "probes") if base else [])}  # fmt: skip
    own = subject.config.evaluation.probes is not None
    for number, row in enumerate(subject.probes if count or not own else [], start=1):
        title = f"Question {number}" if own else f"Question {number} of a dental patient"
        yield _sample(subject, title, row, before)
    rows = subject.rows
    step = max(1, len(rows) // count) if count else 1
    for place in range(0, min(len(rows), step * count), step):
        yield _sample(subject, f"Test segment {place + 1} of {len(rows)}", rows[place], before)


def _sample(
    subject: Subject, title: str, row: Mapping[str, Any], before: Mapping[str, str]
) -> Sample:
    pair = row.get("languages") or subject.pairs[0]
    one, other = (languages.direction(code) for code in pair)
    said = [
        ("source", str(row.get("source", "")), one),
        ("reference", str(row.get("reference", "")), other),
        ("untouched", before.get(str(row["id"]), ""), other),
        ("this model", str(row["hypothesis"]), other),
    ]
    context = str(row.get("context", ""))
    lines = [("context", context, one), *said] if context else said
    return Sample(
        title,
        [(who, _cut(text), way) for who, text, way in lines if text or who == "this model"],
    )


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT else f"{text[:_TEXT]}…"


def note(subject: Subject, count: int) -> str:
    """How the samples were chosen, or why there are none."""
    chosen = "Evenly out of the test set, in its order, not chosen for being good."
    if count:
        return chosen
    if subject.own_files:
        return "Texts of the test set are not published: they come from the publisher's own files."
    return "No texts of the test set are shown."
