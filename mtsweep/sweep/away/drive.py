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
from pathlib import Path

from filelock import Timeout

from mtsweep.config import SweepConfig
from mtsweep.errors import UserError
from mtsweep.lock import Lock
from mtsweep.plan import Group, Plan, Run
from mtsweep.sweep.away.carry import Carrier
from mtsweep.sweep.away.flights import Flight, Left, left_behind, shares
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
    held = contextlib.ExitStack()
    try:
        if desk.alone(held):
            desk.left = left_behind(plan.folder, scheduler)
        desk.work()
    except (KeyboardInterrupt, UserError):
        look.said("Stopping: jobs write a checkpoint (Ctrl-C ends them at once) ...")
        desk.stop()
        desk.wait(_GRACE_SECONDS)
        raise
    finally:
        desk.end()
        scheduler.close()
        held.close()
    return desk.failures


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
        self.flights: dict[str, Flight] = {}
        self.left: dict[str, Left] = {}
        """Run id to the job of an earlier command that is still to do it."""
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
            given = [self._attached(group) for group in self.source.more(hands)]
            left = [group for group in given if group.runs]
            self.waiting.extend(shares(left, self.scheduler))

    def alone(self, held: contextlib.ExitStack) -> bool:
        """Whether no other command looks after this sweep's jobs; none will until ``held`` ends."""
        jobs = self.plan.folder / "jobs"
        jobs.mkdir(parents=True, exist_ok=True)
        try:
            held.enter_context(Lock(jobs / "lock").acquire(blocking=False))
        except Timeout:
            self.look.said("another command is at this sweep; runs of its jobs are waited for")
            return False
        return True

    def _attached(self, group: Group) -> Group:
        """What of a group is still to be submitted; jobs that have the others are taken over."""
        there = [run for run in group.runs if run.id in self.left]
        others = tuple(run for run in group.runs if run.id not in self.left)
        for run in there:
            self._attach(self.left.pop(run.id), run)
        return Group(others, group.base)

    def _attach(self, job: Left, run: Run) -> None:
        """Look after a run in a job of an earlier command, and hear what nobody heard."""
        flight = self.flights.get(job.id)
        if flight is None:
            seat = self.free.pop(0) if self.free else None
            flight = Flight(job.id, job.folder, seat, {}, up=job.up, down=job.down)
            self.flights[job.id] = flight
            where = f"runs on {job.up.host}" if job.up and not job.down else "is in the queue"
            self.look.said(f"job {job.id}: {where}, submitted by an earlier command")
        flight.left[run.id] = run
        if run.id in job.begun:
            flight.begun.add(run.id)
            self.look.started(flight.name(job.begun[run.id]), run)
        for look in job.looks:
            self._hear(flight, look)

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
            self.flights[job] = Flight(job, folder, seat, {run.id: run for run in runs})
            folder.note(self.scheduler.kind, job, [run.id for run in runs])
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

    def _show(self, flight: Flight, state: State) -> None:
        if state.word != flight.word and state.phase == "waits":
            self.look.heard(flight.name(), Began(f"job {flight.id}", state.word.lower(), 0))
        flight.word = state.word

    def _over(self, flight: Flight, state: State | None) -> bool:
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

    def _hear(self, flight: Flight, told: News) -> None:
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

    def _ended(self, flight: Flight, slot: str, run: Run, how: str, reason: str) -> None:  # noqa: PLR0913, PLR0917
        flight.begun.discard(run.id)
        if how == "interrupted" and not self.stopping:
            how = "busy"  # put off: the job is queued again
        self.look.ended(flight.name(slot), run, how, reason)
        if how in {"finished", "failed", "pruned"}:
            self._through(flight, run, how, reason)

    def _through(self, flight: Flight, run: Run, how: str, reason: str) -> None:
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

    def _land(self, flight: Flight, state: State | None) -> None:
        """A job is over: what it left undone is taken up again, or fails by name."""
        del self.flights[flight.id]
        if flight.seat is not None:
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
        reason = flight.reason(state)
        self._mark_interrupted(flight, reason)
        if self.stopping:
            return
        again = []
        for run in flight.left.values():
            if run.id in flight.begun:
                self.look.ended(flight.name(), run, "busy", "")
            self.tries[run.id] += 1
            if self.tries[run.id] <= self.config.retries:
                again.append(run)
            else:
                self.look.ended(flight.name(), run, "failed", reason)
                self._fail(run, reason)
        if again:
            self.look.said(f"{reason}; {len(again)} of its runs are taken up again")
            self.waiting.append(tuple(again))

    @staticmethod
    def _mark_interrupted(flight: Flight, reason: str) -> None:
        """Runs that were in hand when a job ended can be resumed."""
        for run in flight.left.values():
            if run.folder.state == "running":
                run.folder.set_state("interrupted", reason)


_NAMED = 4


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Put Ctrl-C and SIGTERM off, so that no job is submitted and not known.

    Whatever is started within it never sees Ctrl-C, which in a terminal reaches all processes: jobs
    are told in another way. The mask is for them; another thread of this process may still be given
    the signal, and the main thread would see it.
    """
    told: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {each: signal.signal(each, lambda number, _: told.append(number)) for each in numbers}
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if told:
        signal.raise_signal(told[0])
