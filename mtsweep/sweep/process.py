"""A worker as the parent sees it: a process in a group of its own, and the pipes to it."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, cast

from mtsweep import device
from mtsweep.plan import Group, Run
from mtsweep.sweep.slots import Slot
from mtsweep.sweep.wire import Event, Order, Quit, Take, frames, send

_POLITE_SECONDS = 10.0
_LAST_WORDS_SECONDS = 5.0
"""For a worker that ends by itself: on a busy machine an interpreter takes a while to go."""


class Process:
    """A process on a slot; what it says goes to ``inbox`` with its number, ``None`` when it dies.

    Args:
        number: Of this process, counted over the sweep.
        slot: Where it runs.
        sweep: Folder of the sweep; what the process itself prints goes to ``log.txt`` in it.
        inbox: Gets ``(number, event)``.
    """

    def __init__(
        self, number: int, slot: Slot, sweep: Path, inbox: queue.Queue[tuple[int, Event | None]]
    ) -> None:
        self.number = number
        self.slot = slot
        self.group: Group | None = None
        self.run: Run | None = None
        self.since = 0.0
        """When the run in hand was handed over (monotonic seconds)."""
        self.quitting = False
        sweep.mkdir(parents=True, exist_ok=True)
        with (sweep / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mtsweep.sweep.worker", sweep.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **slot.environment},
                # Ctrl-C in the terminal is the parent's affair; a worker's children die with it.
                start_new_session=True,
            )
        threading.Thread(target=self._listen, args=(inbox,), daemon=True).start()

    def _listen(self, inbox: queue.Queue[tuple[int, Event | None]]) -> None:
        for event in frames(cast("IO[bytes]", self.process.stdout)):
            inbox.put((self.number, cast(Event, event)))
        inbox.put((self.number, None))

    def send(self, order: Order) -> None:
        """Give an order; a worker that is gone is told of through the inbox."""
        with contextlib.suppress(OSError):
            send(cast("IO[bytes]", self.process.stdin), order)

    def hold(self, group: Group) -> None:
        """Hand a group over, unless the worker holds it already."""
        if self.group is not group:
            self.group = group
            self.send(Take(group))

    def quit(self) -> None:
        """Let the worker go when it is through with what it has."""
        self.quitting = True
        self.send(Quit())

    def interrupt(self) -> None:
        """Ask for a checkpoint and an end."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process and everything that it started, now."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()

    def reap(self) -> int:
        """The exit code, once the process is gone; what it started is ended with it."""
        deadline = time.monotonic() + (_POLITE_SECONDS if self.quitting else _LAST_WORDS_SECONDS)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, deadline - time.monotonic()))
        self.kill()
        code = self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
        return code


def death(code: int) -> str:
    """How a process died, in words."""
    if code == device.LOST:
        return "CUDA failed, and computes nothing more in that worker (see the run's log)"
    if code >= 0:
        return f"the worker ended with exit code {code}"
    name = signal.Signals(-code).name
    killer = " (the kernel does that when memory runs out)" if -code == signal.SIGKILL else ""
    return f"the worker was killed by {name}{killer}"
