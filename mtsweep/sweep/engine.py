"""The parent of a sweep: hands runs to workers, and outlives whatever happens to them.

It never imports torch and never trains. One worker a device slot; a worker that dies or hangs costs
the run in hand a try, and nothing else.
"""

from __future__ import annotations

import math
import queue
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mtsweep.config import SweepConfig
from mtsweep.plan import Group, Plan, Run
from mtsweep.sweep.board import Board
from mtsweep.sweep.process import Process, death
from mtsweep.sweep.slots import Slot
from mtsweep.sweep.source import Listed, Source
from mtsweep.sweep.wire import Do, Ended, Event, Looked, Verdict

_TICK_SECONDS = 0.5
_BUSY_SECONDS = 2.0
_GRACE_SECONDS = 120.0
_APART_SECONDS = 1.0


@dataclass(frozen=True)
class Failure:
    """A run that did not finish."""

    run: Run
    reason: str


class Onlooker(Protocol):
    """Who looks on, over all workers; a slot is where a worker runs."""

    def said(self, text: str) -> None:
        """Something worth a line of its own."""

    def started(self, slot: str, run: Run) -> None:
        """A run was handed to the worker of a slot."""

    def heard(self, slot: str, event: Event) -> None:
        """What the worker of a slot tells of the run in hand."""

    def ended(self, slot: str, run: Run, how: str, reason: str) -> None:
        """A worker is through with a run: finished, failed, pruned, interrupted, busy elsewhere."""


def drive(
    plan: Plan,
    config: SweepConfig,
    places: Sequence[Slot],
    look: Onlooker,
    source: Source | None = None,
) -> list[Failure]:
    """Do every unfinished run of a plan, or what a source gives.

    Args:
        plan: Its groups are what is to be done, unless there is a source.
        config: Retries, timeout, and what a failure means for the others.
        places: Where workers run.
        look: Sees what happens.
        source: Gives runs as they are asked for.

    Returns:
        The runs that failed.

    Raises:
        KeyboardInterrupt: once the workers have written their checkpoints and are gone.
    """
    engine = _Engine(plan, config, places, look, source or Listed(plan.groups))
    try:
        engine.work()
    except KeyboardInterrupt:
        look.said("Interrupted: runs write a checkpoint (once more ends them at once) ...")
        engine.stop()
        engine.wait(_GRACE_SECONDS)
        raise
    finally:
        engine.kill()
    return engine.failures


class _Engine:
    def __init__(
        self,
        plan: Plan,
        config: SweepConfig,
        places: Sequence[Slot],
        look: Onlooker,
        source: Source,
    ) -> None:
        self.plan = plan
        self.config = config
        self.look = look
        self.failures: list[Failure] = []
        self.source = source
        self.board = Board()
        self.free = list(places)
        self.inbox: queue.Queue[tuple[int, Event | None]] = queue.Queue()
        self.workers: dict[int, Process] = {}
        self.started = 0
        self.last_start = -math.inf
        self.tries: Counter[str] = Counter()
        self.busy: list[tuple[float, Group, Run]] = []
        """Runs that another process works on, and when they are asked for again."""
        self.stopping = False

    def work(self) -> None:
        """Until nothing is left to do, and nobody is left."""
        while self.workers or self.busy or self._more_may_come():
            self._look_again()
            self._ask()
            self._hand_out()
            self._hear(_TICK_SECONDS)
            self._end_hung()

    def stop(self) -> None:
        """Start nothing further, and ask the runs in hand for a checkpoint and an end."""
        self.stopping = True
        self.board.clear()
        self.busy.clear()
        for worker in self.workers.values():
            worker.interrupt()
            worker.send(Verdict(go_on=True))  # it may wait for one

    def wait(self, seconds: float) -> None:
        """Give the workers time to end."""
        deadline = time.monotonic() + seconds
        while self.workers and time.monotonic() < deadline:
            self._hear(_TICK_SECONDS)

    def kill(self) -> None:
        """End whoever is left."""
        for worker in self.workers.values():
            worker.kill()
            worker.reap()
            if worker.run is not None:
                _put_off(worker.run)
        self.workers.clear()

    def _more_may_come(self) -> bool:
        return not self.stopping and (self.source.open or not self.board.empty)

    def _ask(self) -> None:
        """Ask the source for what nobody would have to wait for."""
        idle = sum(worker.run is None and not worker.quitting for worker in self.workers.values())
        hands = len(self.free) + idle - self.board.waiting
        if hands > 0 and not self.stopping and self.source.open:
            for group in self.source.more(hands):
                self.board.add(group)

    def _look_again(self) -> None:
        due = [entry for entry in self.busy if entry[0] <= time.monotonic()]
        for entry in due:
            self.busy.remove(entry)
            self.board.put_back(*entry[1:])

    def _hand_out(self) -> None:
        for worker in self.workers.values():
            if worker.run is None and not worker.quitting:
                if given := self.board.take(worker.group):
                    self._give(worker, *given)
                elif not self.busy and not self._more_may_come():
                    worker.quit()
        while self.free and self._apart() and (given := self.board.take(None)):
            self.started += 1
            self.last_start = time.monotonic()
            worker = Process(self.started, self.free.pop(0), self.plan.folder, self.inbox)
            self.workers[worker.number] = worker
            self._give(worker, *given)

    def _apart(self) -> bool:
        """Whether the last worker had time to import: side by side they would wait for the disk."""
        return time.monotonic() - self.last_start >= _APART_SECONDS

    def _give(self, worker: Process, group: Group, run: Run) -> None:
        worker.hold(group)
        worker.run, worker.since = run, time.monotonic()
        known = any(run is each for each in group.runs)
        worker.send(Do(run.id, None if known else run, self.source.watched(run)))
        self.look.started(worker.slot.name, run)

    def _hear(self, seconds: float) -> None:
        try:
            number, event = self.inbox.get(timeout=seconds)
        except queue.Empty:
            return
        worker = self.workers.get(number)
        if worker is None:
            return
        if event is None:
            self._bury(worker)
        elif isinstance(event, Ended):
            self._ended(worker, event)
        elif isinstance(event, Looked):
            go_on = worker.run is None or self.source.looked(worker.run, event.step, event.value)
            worker.send(Verdict(go_on))
        else:
            self.look.heard(worker.slot.name, event)

    def _ended(self, worker: Process, event: Ended) -> None:
        run, group, worker.run = worker.run, worker.group, None
        if run is None or group is None:
            return
        self.look.ended(worker.slot.name, run, event.how, event.reason)
        self.board.done(run)
        if event.how == "busy" and not self.stopping:
            self.busy.append((time.monotonic() + _BUSY_SECONDS, group, run))
        elif event.how == "failed":
            self._fail(run, event.reason)
        elif event.how == "pruned":
            self.source.pruned(run, event.reason)
        elif event.how == "finished":
            self.source.finished(run)

    def _fail(self, run: Run, reason: str) -> None:
        self.failures.append(Failure(run, reason))
        self.source.failed(run, reason)
        if self.config.on_error == "stop" and not self.stopping:
            self.stop()

    def _bury(self, worker: Process) -> None:
        """A worker is gone: of its own accord, or in the middle of a run."""
        del self.workers[worker.number]
        code = worker.reap()
        self.free.append(worker.slot)
        self._lost(worker, death(code))

    def _end_hung(self) -> None:
        if self.config.timeout is None:
            return
        for worker in [*self.workers.values()]:
            if worker.run and time.monotonic() - worker.since > 60 * self.config.timeout:
                worker.kill()
                worker.reap()
                del self.workers[worker.number]
                self.free.append(worker.slot)
                self._lost(worker, f"no end after {self.config.timeout:g} minutes (sweep.timeout)")

    def _lost(self, worker: Process, reason: str) -> None:
        run, group, worker.run = worker.run, worker.group, None
        if run is None or group is None:
            return
        self.board.done(run)
        if self.stopping:
            _put_off(run)
            return
        self.tries[run.id] += 1
        if self.tries[run.id] <= self.config.retries:
            self.look.said(f"{run.label}: {reason}; it is taken up again")
            self.board.put_back(group, run)
            return
        if not run.folder.path.is_dir():
            run.folder.start(run.as_yaml())
        run.folder.set_state("failed", reason)
        self.look.ended(worker.slot.name, run, "failed", reason)
        self._fail(run, reason)


def _put_off(run: Run) -> None:
    """Say that a run was interrupted, if its worker had come to begin it."""
    if run.folder.path.is_dir():
        run.folder.set_state("interrupted")
