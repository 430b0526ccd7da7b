"""The command's side of jobs: submits groups, reads what the jobs tell, and waits for the last.

Whether a run is finished is asked of its folder alone. What jobs and scheduler tell says what is
going on, and when it is time to look.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mtsweep.config import SweepConfig
from mtsweep.errors import UserError
from mtsweep.plan import Group, Plan, Run
from mtsweep.sweep.away.carry import Carrier
from mtsweep.sweep.away.folder import JobFolder, Load
from mtsweep.sweep.away.news import Down, End, Heard, Line, Look, News, Start, Up
from mtsweep.sweep.away.schedulers import Scheduler, Seat, State
from mtsweep.sweep.engine import Failure, Onlooker
from mtsweep.sweep.source import Listed, Source
from mtsweep.sweep.wire import Began

_TICK_SECONDS = 0.5
_GRACE_SECONDS = 150.0
"""For jobs that were asked to stop: longer than the engine gives its workers."""
_SETTLE_SECONDS = 5.0
"""What a job told last may take so long to come over a shared file system."""


def drive(
    plan: Plan,
    config: SweepConfig,
    scheduler: Scheduler,
    look: Onlooker,
    source: Source | None = None,
) -> list[Failure]:
    """Do every unfinished run of a plan, or what a source gives, in jobs.

    Args:
        plan: Its groups are what is to be done, unless there is a source.
        config: Retries, and what a failure means for the others.
        scheduler: Takes the jobs.
        look: Sees what happens.
        source: Gives runs as seats are free for them.

    Returns:
        The runs that failed.

    Raises:
        KeyboardInterrupt: once the jobs have written their checkpoints and are over.
        UserError: likewise, if the scheduler refuses a job.
    """
    desk = _Desk(plan, config, scheduler, look, source or Listed(plan.groups))
    try:
        desk.work()
    except (KeyboardInterrupt, UserError):
        look.said("Stopping: jobs write a checkpoint (Ctrl-C ends them at once) ...")
        desk.stop()
        desk.wait(_GRACE_SECONDS)
        raise
    finally:
        desk.end()
        scheduler.close()
    return desk.failures


@dataclass
class _Flight:
    """A job that was submitted."""

    id: str
    folder: JobFolder
    seat: Seat
    left: dict[str, Run]
    """Runs that no outcome is known of."""
    word: str = ""
    up: Up | None = None
    down: Down | None = None
    over_since: float | None = None
    begun: set[str] = field(default_factory=set)
    slots: list[str] = field(default_factory=list)

    def name(self, slot: str) -> str:
        """What a slot of the job is called."""
        if slot not in self.slots:
            self.slots.append(slot)
        return f"job {self.id}" if slot == self.slots[0] else f"job {self.id} {slot}"


class _Desk:
    def __init__(
        self,
        plan: Plan,
        config: SweepConfig,
        scheduler: Scheduler,
        look: Onlooker,
        source: Source,
    ) -> None:
        self.plan = plan
        self.config = config
        self.scheduler = scheduler
        self.look = look
        self.failures: list[Failure] = []
        self.source = source
        self.waiting: deque[tuple[Run, ...]] = deque()
        self.free = list(scheduler.seats)
        self.flights: dict[str, _Flight] = {}
        self.tries: Counter[str] = Counter()
        self.stopping = False

    def work(self) -> None:
        """Until nothing is left to submit, and no job is left."""
        while self.waiting or self.flights or (self.source.open and not self.stopping):
            self._ask()
            while self.waiting and self.free and not self.stopping:
                self._submit(self.waiting.popleft(), self.free.pop(0))
            self._look()
            time.sleep(_TICK_SECONDS)

    def _ask(self) -> None:
        """Ask the source for what no run would have to wait for."""
        hands = len(self.free) - len(self.waiting)
        if hands > 0 and not self.stopping and self.source.open:
            self.waiting.extend(shares(self.source.more(hands), self.scheduler))

    def stop(self) -> None:
        """Submit nothing further; ask the jobs for a checkpoint and an end."""
        self.stopping = True
        self.waiting.clear()
        for flight in self.flights.values():
            flight.folder.cancel()
            if flight.up is None:  # it has nothing to save
                self.scheduler.cancel(flight.id)

    def wait(self, seconds: float) -> None:
        """Give the jobs time to end."""
        deadline = time.monotonic() + seconds
        while self.flights and time.monotonic() < deadline:
            self._look()
            time.sleep(_TICK_SECONDS)

    def end(self) -> None:
        """End whoever is left."""
        for flight in self.flights.values():
            flight.folder.cancel()
            self.scheduler.cancel(flight.id)
            if flight.up and flight.up.host == socket.gethostname():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(flight.up.pid, signal.SIGKILL)
            self._mark_interrupted(flight, "")
        self.flights.clear()

    def _submit(self, runs: Sequence[Run], seat: Seat) -> None:
        folder = JobFolder.new(self.plan.folder)
        sweep = self.config
        if seat.environment.get("CUDA_VISIBLE_DEVICES"):
            sweep = sweep.model_copy(update={"devices": None})  # counted anew within the job
        watched = tuple(run.id for run in runs if self.source.watched(run))
        folder.put(Load(tuple(runs), sweep, self.plan.name, self.plan.output, Path.cwd(), watched))
        with _undisturbed():
            job = self.scheduler.submit(Carrier(str(folder.path), dict(seat.environment)))
            self.flights[job] = _Flight(job, folder, seat, {run.id: run for run in runs})
        named = ", ".join(run.label for run in runs[:_NAMED]) + (
            ", …" if len(runs) > _NAMED else ""
        )
        self.look.said(f"job {job}: {len(runs)} run{'s' * (len(runs) > 1)} ({named})")

    def _look(self) -> None:
        """Take in what jobs and scheduler tell."""
        states = self.scheduler.states(list(self.flights))
        for flight in [*self.flights.values()]:
            for told in flight.folder.heard():
                self._hear(flight, told)
            state = states.get(flight.id)
            if state is not None:
                self._show(flight, state)
            if self._over(flight, state):
                self._land(flight, state)

    def _show(self, flight: _Flight, state: State) -> None:
        if state.word != flight.word and state.phase == "waits":
            self.look.heard(flight.name(""), Began(f"job {flight.id}", state.word.lower(), 0))
        flight.word = state.word

    def _over(self, flight: _Flight, state: State | None) -> bool:
        """Whether nothing more comes of a job."""
        if flight.down is not None and (flight.down.how != "stopped" or flight.folder.cancelled):
            return True
        if state is None or state.phase != "over":
            flight.over_since = None
            return False
        if flight.up is None and self.stopping:
            return True  # it never had anything to tell
        flight.over_since = flight.over_since or time.monotonic()
        return time.monotonic() - flight.over_since >= _SETTLE_SECONDS

    def _hear(self, flight: _Flight, told: News) -> None:
        match told:
            case Up():
                again = flight.up is not None
                flight.up, flight.down = told, None
                how = "goes on" if again else "runs"
                self.look.said(f"job {flight.id}: {how} on {told.host} ({told.device})")
            case Line(text):
                self.look.said(f"job {flight.id}: {text}")
            case Start(slot, run_id) if run_id in flight.left:
                flight.begun.add(run_id)
                self.look.started(flight.name(slot), flight.left[run_id])
            case Heard(slot, event):
                self.look.heard(flight.name(slot), event)
            case Look(run_id, step, value) if run_id in flight.left:
                go_on = self.source.looked(flight.left[run_id], step, value)
                flight.folder.judge(run_id, step, go_on=go_on)
            case End(slot, run_id, how, reason) if run_id in flight.left:
                self._ended(flight, slot, flight.left[run_id], how, reason)
            case Down():
                flight.down = told
                if told.how == "stopped" and not flight.folder.cancelled:
                    self.look.said(f"job {flight.id}: stopped behind a checkpoint")
            case _:
                pass

    def _ended(self, flight: _Flight, slot: str, run: Run, how: str, reason: str) -> None:  # noqa: PLR0913, PLR0917
        flight.begun.discard(run.id)
        if how == "interrupted" and not self.stopping:
            how = "busy"  # put off: the job is queued again
        self.look.ended(flight.name(slot), run, how, reason)
        if how in {"finished", "failed", "pruned"}:
            self._through(flight, run, how, reason)

    def _through(self, flight: _Flight, run: Run, how: str, reason: str) -> None:
        """A run has come to an end of which the source is told."""
        del flight.left[run.id]
        if how == "finished":
            self.source.finished(run)
        elif how == "pruned":
            self.source.pruned(run, reason)
        else:
            self._fail(run, reason)

    def _fail(self, run: Run, reason: str) -> None:
        self.failures.append(Failure(run, reason))
        self.source.failed(run, reason)
        if self.config.on_error == "stop" and not self.stopping:
            self.stop()

    def _land(self, flight: _Flight, state: State | None) -> None:
        """A job is over: what it left undone is taken up again, or fails by name."""
        del self.flights[flight.id]
        self.free.append(flight.seat)
        flight.folder.drop_load()
        for run in [*flight.left.values()]:
            how = ""
            if run.folder.record() is not None and run.base_folder.record() is not None:
                how = "finished"
            elif run.id in flight.begun and run.folder.state == "pruned":
                how = "pruned"
            if how:
                self._ended(flight, "", run, how, run.folder.reason if how == "pruned" else "")
        if not flight.left:
            return
        reason = _reason(flight, state)
        self._mark_interrupted(flight, reason)
        if self.stopping:
            return
        again = []
        for run in flight.left.values():
            if run.id in flight.begun:
                self.look.ended(flight.name(""), run, "busy", "")
            self.tries[run.id] += 1
            if self.tries[run.id] <= self.config.retries:
                again.append(run)
            else:
                self.look.ended(flight.name(""), run, "failed", reason)
                self._fail(run, reason)
        if again:
            self.look.said(f"{reason}; {len(again)} of its runs are taken up again")
            self.waiting.append(tuple(again))

    @staticmethod
    def _mark_interrupted(flight: _Flight, reason: str) -> None:
        """Runs that were in hand when a job ended can be resumed."""
        for run in flight.left.values():
            if run.folder.state == "running":
                run.folder.set_state("interrupted", reason)


_NAMED = 4


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Put Ctrl-C and SIGTERM off, so that no job is submitted and not known.

    Whatever is started within it never sees Ctrl-C, which in a terminal reaches all processes: jobs
    are told in another way.
    """
    terminated: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: terminated.append(number))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if terminated:
        signal.raise_signal(signal.SIGTERM)


def _reason(flight: _Flight, state: State | None) -> str:
    """How a job ended that left something undone."""
    word = f" ({state.word})" if state is not None and state.phase == "over" else ""
    if flight.down is not None and flight.down.reason:
        return f"job {flight.id} broke off{word}: {flight.down.reason}"
    return f"job {flight.id} ended early{word}, see {flight.folder.path}"


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
