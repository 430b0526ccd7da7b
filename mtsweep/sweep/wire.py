"""What the parent and its workers say to each other: pickled frames over the worker's pipes."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Literal

from mtsweep.plan import Group, Run

_HEADER = 8


@dataclass(frozen=True)
class Take:
    """To a worker: hold this group; its runs are named one at a time."""

    group: Group


@dataclass(frozen=True)
class Do:
    """To a worker: do this run of the group in hand."""

    run_id: str
    run: Run | None = None
    """The run itself, where it came to the group later."""
    watched: bool = False
    """Whether each look at the dev set waits for a verdict."""


@dataclass(frozen=True)
class Verdict:
    """To a worker: whether the run in hand is worth going on with."""

    go_on: bool


@dataclass(frozen=True)
class Quit:
    """To a worker: nothing is left to do."""


Order = Take | Do | Verdict | Quit


@dataclass(frozen=True)
class Said:
    """From a worker: something worth a line."""

    text: str


@dataclass(frozen=True)
class Began:
    """From a worker: a run enters a stage of ``total`` steps or segments."""

    run: str
    stage: str
    total: int


@dataclass(frozen=True)
class Advanced:
    """From a worker: ``done`` of the stage are done."""

    done: int
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Looked:
    """From a worker: what the dev set says of the best step so far; it waits for a verdict."""

    step: int
    value: float


@dataclass(frozen=True)
class Told:
    """From a worker: a base row or a run is through, in a phrase."""

    run: str
    outcome: str
    scores: Mapping[str, float] = field(default_factory=dict)
    """By metric."""


@dataclass(frozen=True)
class Ended:
    """From a worker: it is done with the run in hand."""

    run_id: str
    how: Literal["finished", "failed", "pruned", "interrupted", "busy"]
    """``busy``: another process works on it."""
    reason: str = ""


Event = Said | Began | Advanced | Looked | Told | Ended


def send(stream: IO[bytes], message: Order | Event) -> None:
    """Write one frame.

    Raises:
        OSError: if the other side is gone.
    """
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(len(body).to_bytes(_HEADER, "big") + body)
    stream.flush()


def frames(stream: IO[bytes]) -> Iterator[Order | Event]:
    """Frames until the other side closes, or dies in the middle of one."""
    while len(header := _read(stream, _HEADER)) == _HEADER:
        size = int.from_bytes(header, "big")
        body = _read(stream, size)
        if len(body) < size:
            return
        yield pickle.loads(body)  # noqa: S301 - from a process of ours


def _read(stream: IO[bytes], size: int) -> bytes:
    try:
        return stream.read(size) or b""
    except (OSError, ValueError):
        return b""
