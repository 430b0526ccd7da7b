"""Who looks on while a sweep works: the engine reports, ``progress.py`` shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Watcher(Protocol):
    """An onlooker. Nothing that it does changes a run."""

    def say(self, text: str) -> None:
        """Something worth a line of its own."""

    def begin(self, run: str, stage: str, total: int) -> None:
        """A run enters a stage (``train``, ``translate``) of ``total`` steps or segments."""

    def advance(self, done: int, figures: Mapping[str, float]) -> None:
        """``done`` of the stage's total are done; figures are losses, rates and memory in bytes."""

    def looked(self, step: int, value: float) -> bool:
        """The dev set was looked at within a run; says whether the run is worth going on with."""
        ...

    def end(self, run: str, outcome: str, scores: Mapping[str, float]) -> None:
        """A base row or a run is through: what it came to in a phrase, and its scores by metric."""
