"""How outputs behave, side by side: the figures in which rows of a table differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.table import Table
from rich.text import Text

from mtsweep.record import Degeneration
from mtsweep.table import Row

_DIFFER = 0.02
"""Figures that differ by less say nothing."""

_FIGURES: dict[str, tuple[str, Callable[[float], str]]] = {
    "text_after": ("go on behind", lambda share: f"{share:.0%}"),
    "repeated_4grams": ("repeated 4-grams", lambda share: f"{share:.0%}"),
    "copied": ("copies", lambda share: f"{share:.0%}"),
    "wrong_language": ("other language", lambda share: f"{share:.0%}"),
    "length_ratio": ("length", lambda ratio: f"{ratio:.2f}"),
}
"""Field to its heading and form; what ends by itself stands in the table of scores."""


def behaviour(table: Sequence[Row]) -> Table | None:
    """A table of what differs between base and tuned models; ``None`` where nothing does."""
    rows = [(row.label, row.record.degeneration) for row in table if row.record is not None]
    shown = [field for field in _FIGURES if _differs([told for _, told in rows], field)]
    if not shown:
        return None
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    made.add_column("outputs", overflow="fold")
    for field in shown:
        made.add_column(_FIGURES[field][0], justify="right", no_wrap=True)
    for label, told in rows:
        values = [(field, getattr(told, field, None)) for field in shown]
        made.add_row(
            Text(label),
            *("" if value is None else _FIGURES[field][1](value) for field, value in values),
        )
    return made


def _differs(told: Sequence[Degeneration | None], field: str) -> bool:
    values = [value for each in told if (value := getattr(each, field, None)) is not None]
    return len(values) > 1 and max(values) - min(values) >= _DIFFER
