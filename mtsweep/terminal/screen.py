"""The terminal itself, and how amounts are written on it."""

from __future__ import annotations

import os

from rich.console import Console

_PLAIN_WIDTH = 120


def console() -> Console:
    """The terminal; plain and 120 columns wide where the output is none, or in CI."""
    plain = bool(os.environ.get("CI"))
    made = Console(force_terminal=False if plain else None, highlight=False, soft_wrap=False)
    if not made.is_terminal:
        made.width = _PLAIN_WIDTH
    return made


def count(number: int) -> str:
    """A number in thousands, millions or billions."""
    for unit, size in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return str(number)


def clock(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
