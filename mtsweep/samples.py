"""What the untouched and the tuned model say, side by side: rows, and ``samples.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mtsweep.record import Degeneration, Record
from mtsweep.scores import CHAT, LABELS, rounded

_BEHAVIOUR = {
    "stopped": "end by themselves",
    "text_after": "go on behind the answer",
    "repeated_4grams": "repeated 4-grams",
    "copied": "copy the source",
    "wrong_language": "are in another language",
}

_PARTS = (
    ("context", "context"),
    ("source", "source"),
    ("reference", "reference"),
    ("base", "base"),
    ("hypothesis", "tuned"),
)


def table(
    rows: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]]
) -> list[dict[str, str]]:
    """Sample rows as texts, with what the untouched model said to each.

    Args:
        rows: Of the tuned model, as in its predictions.
        base: Of the untouched model, likewise; empty where ``rows`` are its own.
    """
    said = {str(row["id"]): str(row["hypothesis"]) for row in base}
    with_context = any("context" in row for row in rows)
    return [
        {
            "id": str(row["id"]),
            **({"context": str(row.get("context", ""))} if with_context else {}),
            "source": str(row["source"]),
            "reference": str(row["reference"]),
            **({"base": said.get(str(row["id"]), "")} if base else {}),
            "hypothesis": str(row["hypothesis"]),
            "signs": ", ".join(row.get("signs", ())),
        }
        for row in rows
    ]


def as_markdown(record: Record, base: Record, shown: Sequence[Mapping[str, str]]) -> str:
    """Figures of both models, then the samples; text from models is quoted, never markup."""
    lines = ["# Untouched and tuned model, side by side", "", "| | base | tuned |", "|---|---|---|"]
    for name, score in record.scores.items():
        before = base.scores.get(name)
        told = _figure(name, before.value) if before else ""
        lines.append(f"| {LABELS.get(name, name)} | {told} | {_figure(name, score.value)} |")
    for field, words in _BEHAVIOUR.items():
        if getattr(base.degeneration, field) is getattr(record.degeneration, field) is None:
            continue
        lines.append(
            f"| {words} | {_share(base.degeneration, field)} | "
            f"{_share(record.degeneration, field)} |"
        )
    ratio = f"{base.degeneration.length_ratio:.2f} | {record.degeneration.length_ratio:.2f}"
    lines += [f"| length, times the reference's | {ratio} |", ""]
    for row in shown:
        lines += [f"## {_one_line(row['id'])}", ""]
        for name, heading in _PARTS:
            if row.get(name):
                lines += [f"{heading}:", "", *_quoted(row[name]), ""]
    return "\n".join(lines)


def _figure(name: str, value: float) -> str:
    return rounded(name, value) if name in CHAT else f"{value:.2f}"


def _share(told: Degeneration, field: str) -> str:
    value = getattr(told, field)
    return "" if value is None else f"{value:.0%}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _quoted(text: str) -> list[str]:
    """An indented block: whatever is in it is shown as it stands."""
    return [f"    {line}" for line in text.splitlines()]
