"""Jobs that were submitted, by this command or by one that is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mtsweep.plan import Group, Run
from mtsweep.sweep.away.folder import JobFolder
from mtsweep.sweep.away.news import Down, End, Look, News, Start, Up
from mtsweep.sweep.away.schedulers import Scheduler, Seat, State


@dataclass
class Flight:
    """A job that was submitted."""

    id: str
    folder: JobFolder
    seat: Seat | None
    """Where it sits; ``None`` of one that there was no seat for when it was taken over."""
    left: dict[str, Run]
    """Runs that no outcome is known of."""
    word: str = ""
    up: Up | None = None
    down: Down | None = None
    over_since: float | None = None
    begun: set[str] = field(default_factory=set)
    slots: list[str] = field(default_factory=list)

    def name(self, slot: str = "") -> str:
        """What a slot of the job is called; the first one, and the job itself, by its id alone."""
        if not slot:
            return f"job {self.id}"
        if slot not in self.slots:
            self.slots.append(slot)
        return f"job {self.id}" if slot == self.slots[0] else f"job {self.id} {slot}"

    def reason(self, state: State | None) -> str:
        """How the job ended that left something undone."""
        word = f" ({state.word})" if state is not None and state.phase == "over" else ""
        if self.down is not None and self.down.reason:
            return f"job {self.id} broke off{word}: {self.down.reason}"
        return f"job {self.id} ended early{word}, see {self.folder.path}"


@dataclass
class Left:
    """A job that an earlier command left, as far as the job itself told of it."""

    id: str
    folder: JobFolder
    runs: set[str]
    """Ids of those that it is still to bring to an end."""
    up: Up | None = None
    down: Down | None = None
    begun: dict[str, str] = field(default_factory=dict)
    """Ids of the runs in hand, to their slots."""
    looks: list[Look] = field(default_factory=list)
    """Which nobody may have heard of."""

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it, by its own account."""
        return self.folder.cancelled or (self.down is not None and self.down.how != "stopped")

    def hear(self, told: News) -> None:
        """Take in what it told."""
        match told:
            case Up():
                self.up, self.down = told, None
            case Down():
                self.down, self.begun = told, {}
            case Start(slot, run_id):
                self.begun[run_id] = slot
            case Look():
                self.looks.append(told)
            case End(_, run_id, how, _):
                self.begun.pop(run_id, None)
                if how in {"finished", "failed", "pruned"}:
                    self.runs.discard(run_id)
            case _:
                pass


def left_behind(sweep: Path, scheduler: Scheduler) -> dict[str, Left]:
    """What jobs of a command that is gone are still to do, by the scheduler's account.

    Args:
        sweep: Folder of the sweep.
        scheduler: Is asked for them.

    Returns:
        Run id to its job.
    """
    found: dict[str, Left] = {}
    for folder in JobFolder.of(sweep):
        if (noted := folder.noted()) is None or noted[0] != scheduler.kind:
            continue
        job = Left(noted[1], folder, set(noted[2]))
        for news in folder.heard():
            job.hear(news)
        if job.runs and not job.over:
            found[job.id] = job
    known = scheduler.take_over({job.id: job.folder.path for job in found.values()})
    return {run_id: job for job in found.values() if job.id in known for run_id in job.runs}


def shares(given: Sequence[Group], scheduler: Scheduler) -> list[tuple[Run, ...]]:
    """What travels together: the runs of a group, or a part of them, the largest group first."""
    groups = sorted(
        (group.runs for group in given),
        key=lambda runs: sum(run.estimate.seconds for run in runs),
        reverse=True,
    )
    limit = scheduler.runs_per_job
    if limit is None and scheduler.together:
        return groups
    if limit is None:
        total = sum(map(len, groups))
        limit = max(1, -(-total // len(scheduler.seats)))
    return [runs[at : at + limit] for runs in groups for at in range(0, len(runs), limit)]
