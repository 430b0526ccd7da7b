"""What a job tells the command that submitted it: one JSON object a line, in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from mtsweep.sweep.wire import Event


@dataclass(frozen=True)
class Up:
    """The job runs."""

    host: str
    pid: int
    """Of the engine."""
    device: str
    """What it computes on, for people."""


@dataclass(frozen=True)
class Line:
    """Something worth a line."""

    text: str


@dataclass(frozen=True)
class Start:
    """A run was handed to a worker of the job."""

    slot: str
    run_id: str


@dataclass(frozen=True)
class Heard:
    """A worker tells of the run in hand."""

    slot: str
    event: Event


@dataclass(frozen=True)
class Look:
    """What the dev set says of a run in hand, which waits for a verdict on it."""

    run_id: str
    step: int
    value: float


@dataclass(frozen=True)
class End:
    """A worker is through with a run."""

    slot: str
    run_id: str
    how: str
    reason: str


@dataclass(frozen=True)
class Down:
    """The job is over."""

    how: Literal["done", "stopped", "broken"]
    """``stopped``: somebody asked for it, and runs can be taken up again."""
    reason: str = ""


News = Up | Line | Start | Heard | Look | End | Down

_NEWS = {kind.__name__: kind for kind in get_args(News)}
_EVENTS = {kind.__name__: kind for kind in get_args(Event)}


def dump(news: News) -> str:
    """A line, without its end."""
    told = {"news": type(news).__name__, **asdict(news)}
    if isinstance(news, Heard):
        told["event"] = {"event": type(news.event).__name__, **told["event"]}
    return json.dumps(told, ensure_ascii=False)


def load(line: str) -> News:
    """What a line tells.

    Raises:
        ValueError: if it is no line of :func:`dump`.
    """
    try:
        told = json.loads(line)
        if "event" in told:
            told["event"] = _made(_EVENTS, "event", told["event"])
        return _made(_NEWS, "news", told)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a line of a job: {line!r}") from error


def _made(kinds: Mapping[str, Any], name: str, told: dict[str, Any]) -> Any:  # noqa: ANN401
    return kinds[told.pop(name)](**told)
