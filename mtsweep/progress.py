"""What a person sees while a sweep works: a live table, or lines where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mtsweep.plan import Plan, Run
from mtsweep.sweep.wire import Advanced, Began, Event, Said, Told
from mtsweep.terminal import clock

_PLAIN_SECONDS = 15.0
_SHOWN = 12
_THROUGH = 4
"""Runs that are through and stay in the table, the newest."""


@dataclass
class _Stage:
    """What a worker is at."""

    run: str
    name: str = "starts"
    total: int = 0
    done: int = 0
    first: int = 0
    """``done`` at the beginning: a resumed run does not begin at 0."""
    since: float = field(default_factory=time.monotonic)
    figures: dict[str, float] = field(default_factory=dict)

    def advance(self, done: int, figures: Mapping[str, float]) -> None:
        if self.done == 0:
            self.first = done
        self.done = done
        self.figures.update(figures)

    @property
    def left(self) -> float | None:
        """Estimated seconds until the stage is through."""
        gone = self.done - self.first
        if gone <= 0:
            return None
        return (time.monotonic() - self.since) / gone * (self.total - self.done)


class LiveTable:
    """The onlooker at a terminal: what every worker is at, and a line for what is through.

    Args:
        out: The terminal.
        plan: What is to be done.
    """

    def __init__(self, out: Console, plan: Plan) -> None:
        self.out = out
        self.waiting = sum(len(group.runs) for group in plan.groups)
        self.work = sum(run.estimate.seconds for group in plan.groups for run in group.runs)
        """Seconds that were expected, of all runs."""
        self.done = 0.0
        """The same, of those that are through."""
        self.began = time.monotonic()
        self.through: list[tuple[str, Mapping[str, float]]] = []
        self.stages: dict[str, _Stage] = {}
        self.live = Live(
            get_renderable=self._render, console=out, transient=True, refresh_per_second=4
        )

    def __enter__(self) -> LiveTable:
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def said(self, text: str) -> None:
        """A line of its own."""
        self.out.print(Text(text, style="dim"))

    def started(self, slot: str, run: Run) -> None:
        """A run begins."""
        self.waiting -= 1
        self.stages[slot] = _Stage(run.label)

    def heard(self, slot: str, event: Event) -> None:
        """News of a run."""
        if isinstance(event, Said):
            self.said(event.text)
        elif isinstance(event, Began):
            self.stages[slot] = _Stage(event.run, event.stage, event.total)
        elif isinstance(event, Advanced) and slot in self.stages:
            self.stages[slot].advance(event.done, event.figures)
        elif isinstance(event, Told):
            self.out.print(Text.assemble((event.run, "green"), f"  {event.outcome}"))
            self.through = [*self.through, (event.run, event.scores)][-_THROUGH:]

    def ended(self, slot: str, run: Run, how: str, reason: str) -> None:
        """A run is through, or put off."""
        self.stages.pop(slot, None)
        if how == "busy":
            self.waiting += 1
        else:
            self.done += run.estimate.seconds
        if how in {"failed", "pruned", "interrupted"}:
            told = f"  {how}: {reason}" if reason else f"  {how}"
            self.out.print(Text.assemble((run.label, "red" if how == "failed" else "yellow"), told))

    def _render(self) -> RenderableType:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("run", overflow="ellipsis", no_wrap=True, max_width=40)
        for heading in ("state", "step", "loss", "BLEU/chrF", "tokens/s", "left", "memory"):
            table.add_column(heading, justify="right", no_wrap=True)
        for name, scores in self.through:
            table.add_row(Text(name), "through", "", "", _scores(scores), style="dim")
        for stage in list(self.stages.values())[:_SHOWN]:
            figures = stage.figures
            table.add_row(
                Text(stage.run),
                stage.name,
                f"{stage.done}/{stage.total}" if stage.total else "",
                _figure(figures.get("loss"), "{:.3f}"),
                _scores({name: figures.get(f"dev_{name}") for name in ("bleu", "chrf")}),
                _figure(figures.get("tokens_per_second"), "{:.0f}"),
                "" if stage.left is None else clock(stage.left),
                _figure(figures.get("memory", 0.0) / 2**30 or None, "{:.1f} GiB"),
            )
        told = [f"{self.waiting} more wait"] if self.waiting > 0 else []
        if self.done and self.work:  # of a search nobody knows how much is left
            gone = time.monotonic() - self.began
            told.append(f"about {clock(gone * (self.work - self.done) / self.done)} left in all")
        return Group(table, *([Text(", ".join(told), style="dim")] if told else []))


class Plain:
    """The onlooker of a log file: whole lines, at most one every 15 seconds within a stage."""

    def __init__(self, out: Console) -> None:
        self.out = out
        self.stages: dict[str, _Stage] = {}
        self.told: dict[str, float] = {}

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *_: object) -> None:
        self.stages.clear()

    def said(self, text: str) -> None:
        """A line of its own."""
        self.out.print(Text(text))

    def started(self, slot: str, run: Run) -> None:
        """A run begins; the stages tell."""

    def heard(self, slot: str, event: Event) -> None:
        """News of a run."""
        if isinstance(event, Said):
            self.said(event.text)
        elif isinstance(event, Began):
            self.stages[slot] = _Stage(event.run, event.stage, event.total)
            self.told[slot] = time.monotonic()
            count = f" 0/{event.total}" if event.total else ""
            self.out.print(Text(f"{event.run}: {event.stage}{count}"))
        elif isinstance(event, Advanced) and slot in self.stages:
            self.stages[slot].advance(event.done, event.figures)
            self._tell(slot, self.stages[slot])
        elif isinstance(event, Told):
            self.out.print(Text(f"{event.run}: {event.outcome}"))

    def _tell(self, slot: str, stage: _Stage) -> None:
        now = time.monotonic()
        if now - self.told[slot] >= _PLAIN_SECONDS and stage.done < stage.total:
            self.told[slot] = now
            loss = f"  loss {stage.figures['loss']:.3f}" if "loss" in stage.figures else ""
            self.out.print(Text(f"{stage.run}: {stage.name} {stage.done}/{stage.total}{loss}"))

    def ended(self, slot: str, run: Run, how: str, reason: str) -> None:
        """A run is through, or put off."""
        self.stages.pop(slot, None)
        if how in {"failed", "pruned", "interrupted"}:
            self.out.print(Text(f"{run.label}: {how}" + (f": {reason}" if reason else "")))


def _scores(scores: Mapping[str, float | None]) -> str:
    """BLEU and chrF in one cell."""
    told = [_figure(scores.get(name), "{:.1f}") for name in ("bleu", "chrf")]
    return "/".join(told) if any(told) else ""


def _figure(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
