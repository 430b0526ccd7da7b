"""What every tracker is told, and what it may never do: change a run or fail it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mtsweep.record import Record
from mtsweep.scores import Score

log = logging.getLogger(__name__)

Figure = float | str | None


@dataclass(frozen=True)
class Identity:
    """What a tracker is told of a run before it starts."""

    id: str
    name: str
    group: str
    tags: tuple[str, ...]
    config: Mapping[str, Any]
    folder: Path

    @property
    def output(self) -> Path:
        """Folder with ``runs/`` and ``sweeps/``."""
        return self.folder.parent.parent


@dataclass(frozen=True)
class Outcome:
    """What a sweep came to."""

    table: Sequence[Sequence[str]]
    """Heads, then rows: of the comparison."""
    judgement: Sequence[str]
    """The comparison in sentences."""
    files: Sequence[Path]
    """Files and folders of the report."""

    def rows(self) -> list[dict[str, Figure]]:
        """The comparison row by row, numbers as numbers."""
        heads, *rows = self.table
        return [
            {head: _read(head, cell) for head, cell in zip(heads, row, strict=True)} for row in rows
        ]


_TEXTS = {"run", "id", "kind", "state", "metric", "signature"}
"""Columns of words; an id may look like a number."""


def _read(head: str, cell: str) -> Figure:
    if not cell:
        return None
    return cell if head in _TEXTS else float(cell)


class Tracker(Protocol):
    """A mirror of one run, or of a sweep that has ended."""

    link: str
    """How to get at what was tracked: an address, or a command; may be empty.

    Known for good after ``finish``: a server that went away leaves the command to sync later.
    """

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Mirror figures after an optimiser step."""

    def finish(self, record: Record | None, samples: Sequence[Mapping[str, str]]) -> None:
        """Mirror the outcome and close; ``record`` is ``None`` if the run failed."""

    def publish(self, outcome: Outcome) -> None:
        """Mirror what a sweep came to, and close."""


def figures(record: Record) -> dict[str, dict[str, Figure]]:
    """What a run came to, by what it is about.

    ``test``: scores with the ends of their intervals and signatures, and those of the untouched
    model; ``behaviour`` of the outputs; ``cost``; ``also/NAME`` and ``part/NAME``: scores of
    further test sets and of parts.
    """
    told = {
        "test": _scores(record.scores, record.base_scores),
        "behaviour": record.degeneration.model_dump(),
        "cost": record.cost.model_dump(),
    }
    for name, scores in record.also.items():
        told[f"also/{name}"] = _scores(scores, record.base_also.get(name, {}))
    for name, scores in record.parts.items():
        told[f"part/{name}"] = _scores(scores, record.base_parts.get(name, {}))
    return told


def _scores(scores: Mapping[str, Score], base: Mapping[str, Score]) -> dict[str, Figure]:
    told: dict[str, Figure] = {}
    for name, score in scores.items():
        told |= {
            name: score.value,
            f"{name}_low": score.low,
            f"{name}_high": score.high,
            f"{name}_signature": score.signature,
        }
        if name in base:
            told[f"base_{name}"] = base[name].value
    return told


@contextlib.contextmanager
def forgiven(tracker: str, what: str) -> Iterator[None]:
    """Whatever a mirror does, the run goes on; the log tells."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - see above
        log.warning("%s %s: %s", tracker, what, error)
