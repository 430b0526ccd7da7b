"""Pictures of a training: losses and learning rate by step, out of ``metrics.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mtsweep.scores import LABELS

_LOSSES = {"loss": "training loss", "eval_loss": "dev loss"}
_SCORES = {f"dev_{name}": label for name, label in LABELS.items()}

_PLACE = (0.13, 0.13, 0.84, 0.83)
"""Of the axes: left, bottom, width, height as shares of the picture."""


def draw(folder: Path) -> list[Path]:
    """Write ``loss.png``, ``learning_rate.png`` and ``scores.png`` into a run folder.

    Returns:
        The pictures; none of a run without figures (one that took its weights over).
    """
    rows = _rows(folder / "metrics.jsonl")
    return [
        path
        for path, lines, label in (
            (folder / "loss.png", _LOSSES, "loss (nats a token)"),
            (folder / "learning_rate.png", {"learning_rate": "learning rate"}, "learning rate"),
            (folder / "scores.png", _SCORES, "score of the dev set (0 to 100)"),
        )
        if _picture(path, {told: _points(rows, key) for key, told in lines.items()}, label)
    ]


def _rows(path: Path) -> list[dict[str, float]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _points(rows: Sequence[Mapping[str, float]], key: str) -> list[tuple[float, float]]:
    return [(row["step"], row[key]) for row in rows if key in row]


def _picture(path: Path, lines: Mapping[str, Sequence[tuple[float, float]]], label: str) -> bool:
    drawn = {name: points for name, points in lines.items() if points}
    if not drawn:
        return False
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0))
    axes = figure.add_axes(_PLACE)  # a computed layout would draw everything twice
    for name, points in drawn.items():
        axes.plot(*zip(*points, strict=True), marker=".", label=name)
    axes.set(xlabel="optimiser steps", ylabel=label)
    axes.grid(visible=True, alpha=0.3)
    if len(drawn) > 1:
        axes.legend()
    figure.savefig(path, dpi=120)
    return True
