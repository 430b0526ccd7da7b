"""What a job does: the engine, on the machine that the scheduler gave it.

``python -m mtsweep.sweep.away.job FOLDER``. SIGTERM, the mark ``cancel`` in the folder, and the end
of the process that started it (its standard input closes) make runs write a checkpoint.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from mtsweep import device
from mtsweep.errors import MtsweepError
from mtsweep.plan import Plan, Run, groups
from mtsweep.sweep import memory
from mtsweep.sweep.away.folder import JobFolder, Load
from mtsweep.sweep.away.news import Down, End, Heard, Line, Start, Up
from mtsweep.sweep.away.relay import Relay
from mtsweep.sweep.engine import drive
from mtsweep.sweep.slots import slots
from mtsweep.sweep.wire import Advanced, Event

_LOOK_SECONDS = 1.0
_ADVANCE_SECONDS = 1.0
_SKIP = {"oversize": "skip"}
"""Here it is too late to refuse all runs for one's sake."""


def main() -> None:
    """Do what is unfinished of the runs of a job folder."""
    folder = JobFolder(Path(sys.argv[1]))
    with _stoppable(folder):
        try:
            _work(folder)
        except KeyboardInterrupt:
            folder.tell(Down("stopped"))
        except Exception as error:
            traceback.print_exc()
            ours = isinstance(error, MtsweepError)
            folder.tell(Down("broken", str(error) if ours else f"{type(error).__name__}: {error}"))
            raise
        else:
            folder.tell(Down("done"))


def _work(folder: JobFolder) -> None:
    load = folder.load()
    os.chdir(load.here)
    folder.tell(Up(socket.gethostname(), os.getpid(), device.describe()))
    scribe = Scribe(folder)
    plan = _plan(load)
    tries = load.sweep.oversize == "run"
    left_out = {} if tries else memory.refused(plan, load.sweep.model_copy(update=_SKIP))
    for run in load.runs:
        if run.id in left_out:
            run.folder.start(run.as_yaml())
            run.folder.set_state("failed", left_out[run.id])
            scribe.ended("", run, "failed", left_out[run.id])
    plan = memory.without(plan, left_out)
    relay = Relay(plan.groups, folder, load.watched)
    drive(plan, load.sweep, slots(load.sweep, plan.processes), scribe, relay)


def _plan(load: Load) -> Plan:
    """What is left of the runs, grouped by what can be shared on this machine."""
    left = [run for run in load.runs if not _finished(run)]
    return Plan(load.runs, tuple(groups(left)), 0, (), load.name, load.output)


def _finished(run: Run) -> bool:
    return run.folder.record() is not None and run.base_folder.record() is not None


@contextlib.contextmanager
def _stoppable(folder: JobFolder) -> Iterator[None]:
    """Within it, whatever asks for an end interrupts the main thread, once."""
    signal.signal(signal.SIGTERM, _interrupt)
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        # Schedulers warn every process of a job; the one that started this one passes it on.
        signal.signal(number, signal.SIG_IGN)
    over = threading.Event()
    threading.Thread(target=_watch, args=(folder, over), daemon=True).start()
    threading.Thread(target=_listen, args=(over,), daemon=True).start()
    try:
        yield
    finally:
        over.set()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _interrupt(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would cut the checkpoint short
    raise KeyboardInterrupt


def _watch(folder: JobFolder, over: threading.Event) -> None:
    while not over.wait(_LOOK_SECONDS):
        if folder.cancelled:
            _thread.interrupt_main(signal.SIGTERM)
            return


def _listen(over: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            pass
    if not over.is_set():
        _thread.interrupt_main(signal.SIGTERM)


class Scribe:
    """The onlooker of a job: writes down what happens, for the command that submitted it."""

    def __init__(self, folder: JobFolder) -> None:
        self.folder = folder
        self.advanced: dict[str, float] = {}

    def said(self, text: str) -> None:
        """A line of its own."""
        self.folder.tell(Line(text))

    def started(self, slot: str, run: Run) -> None:
        """A run begins."""
        self.folder.tell(Start(slot, run.id))

    def heard(self, slot: str, event: Event) -> None:
        """News of a run; of steps not more than one a second."""
        now = time.monotonic()
        if isinstance(event, Advanced):
            if now - self.advanced.get(slot, 0.0) < _ADVANCE_SECONDS:
                return
            self.advanced[slot] = now
        self.folder.tell(Heard(slot, event))

    def ended(self, slot: str, run: Run, how: str, reason: str) -> None:
        """A run is through, or put off."""
        self.folder.tell(End(slot, run.id, how, reason))


if __name__ == "__main__":
    main()
