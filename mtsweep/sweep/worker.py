"""A worker process: holds a base model, does one run after another, and tells the parent.

``python -m mtsweep.sweep.worker SWEEP``; orders come on standard input, events go to standard
output (``wire.py``). When the parent is gone, so is the worker.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping
from typing import IO, cast

from mtsweep import device, interruption
from mtsweep.errors import MtsweepError, TooLargeError
from mtsweep.models.families import Family
from mtsweep.models.load import Base
from mtsweep.plan import Group, Run
from mtsweep.sweep.logs import log_traceback, logged_to
from mtsweep.sweep.wire import (
    Advanced,
    Began,
    Do,
    Ended,
    Event,
    Looked,
    Order,
    Quit,
    Said,
    Take,
    Told,
    Verdict,
    frames,
    send,
)


def main() -> None:
    """Work until the parent says that nothing is left, or is gone."""
    gc.disable()  # until the libraries are there: what they make stays (``_keep_libraries``)
    out = _own_stdout()
    signal.signal(signal.SIGTERM, lambda *_: interruption.ask())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders: queue.Queue[Order] = queue.Queue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    worker = Worker(sys.argv[1], out, orders)
    while not interruption.asked():
        try:
            order = orders.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            continue
        if isinstance(order, Quit):
            return
        try:
            worker.obey(order)
        except SystemExit as lost:  # libraries that let go of a lost device would abort
            os._exit(cast(int, lost.code))


_LOOK_SECONDS = 0.2


def _own_stdout() -> IO[bytes]:
    """Keep standard output for events; what libraries print goes to standard error."""
    kept = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return kept


def _listen(orders: queue.Queue[Order]) -> None:
    for order in frames(sys.stdin.buffer):
        orders.put(cast(Order, order))
        if isinstance(order, Quit):
            return
    # The parent died: nobody will read a result, so this process and its children end here.
    if hasattr(os, "killpg"):
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os._exit(1)


class Worker:
    """What takes groups and does runs; a base model stays in memory as long as its group.

    Args:
        sweep: Name of the sweep, for trackers.
        out: Gets events.
        orders: Where verdicts come from.
    """

    def __init__(
        self, sweep: str, out: IO[bytes], orders: queue.Queue[Order] | None = None
    ) -> None:
        self.sweep = sweep
        self.out = out
        self.orders = orders
        self.watched = False
        self.runs: dict[str, Run] = {}
        self.group: Group | None = None
        self.base: Base | None = None

    def obey(self, order: Order) -> None:
        """Take a group, or do a run."""
        if isinstance(order, Take):
            self.base, self.group = None, order.group
            self.runs = {run.id: run for run in order.group.runs}
        elif isinstance(order, Do):
            self.watched = order.watched
            self._tell(self._do(order.run or self.runs[order.run_id]))

    def _do(self, run: Run) -> Ended:
        lock = run.folder.lock()
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(lock.acquire(blocking=False))
            except TimeoutError:
                return Ended(run.id, "busy")
            ended = self._try(run)
            device.free_memory()
            return ended

    def _try(self, run: Run) -> Ended:
        while True:
            try:
                with logged_to(run):
                    self._execute(run)
            except KeyboardInterrupt:
                run.folder.set_state("interrupted")
                return Ended(run.id, "interrupted")
            except interruption.Pruned as pruned:
                run.folder.prune(pruned.step, pruned.value, str(pruned))
                return Ended(run.id, "pruned", str(pruned))
            except Exception as error:  # noqa: BLE001 - whatever happens to one run, others go on
                if device.is_lost(error):
                    self.say(f"{run.label}: {_first_line(error)}")
                    raise SystemExit(device.LOST) from error
                reason, again = _reason(error), isinstance(error, TooLargeError)
            else:
                return Ended(run.id, "finished")
            finally:
                if run.config.lora.method == "none":
                    self.base = None  # its weights were trained
            # Out of the handler, whose traceback would keep tensors alive.
            self.base = None if not again else self.base
            device.free_memory()
            if not again:
                _set_failed(run, reason)
                return Ended(run.id, "failed", reason)
            self.say(f"{run.label}: {reason}")

    def _execute(self, run: Run) -> None:
        from mtsweep import run as spine

        if self.base is None:
            if gc.isenabled():  # there was another base
                gc.collect()
            self.base = self._load(run)
        record = spine.execute(run, self.base, self.sweep, self)
        self.end(run.label, spine.summary(record), spine.points(record))

    def _load(self, run: Run) -> Base:
        from mtsweep.models.load import load

        config = run.config
        self.say(f"Loading {config.model.name} ...")
        _keep_libraries(run.family)
        return load(config.model, config.lora, run.located, run.family, self.say)

    # What the run tells (watch.Watcher) goes to the parent.

    def say(self, text: str) -> None:
        """A line of its own."""
        self._tell(Said(text))

    def begin(self, run: str, stage: str, total: int) -> None:
        """A stage."""
        interruption.check()
        self._tell(Began(run, stage, total))

    def advance(self, done: int, figures: Mapping[str, float]) -> None:
        """Further in the stage."""
        self._tell(Advanced(done, dict(figures)))

    def looked(self, step: int, value: float) -> bool:
        """Ask the parent, where it wants to be asked; it answers at once, or this process ends."""
        if not self.watched or self.orders is None:
            return True
        self._tell(Looked(step, value))
        while not isinstance(order := self.orders.get(), Verdict):
            self.orders.put(order)
        return order.go_on

    def end(self, run: str, outcome: str, scores: Mapping[str, float]) -> None:
        """A base row or a run is through."""
        self._tell(Told(run, outcome, dict(scores)))

    def _tell(self, event: Event) -> None:
        with contextlib.suppress(OSError):  # the parent is gone, and this process soon is
            send(self.out, event)


@functools.cache
def _keep_libraries(family: Family) -> None:
    """Import what training needs, and take it out of what the collector looks through each time.

    Libraries are half a million objects that stay; looking through them at the end of every run
    takes longer than a small run's training, and each time again as they are imported a fifth of
    the import.
    """
    from mtsweep.training import trainer_class

    trainer_class(family)
    gc.freeze()
    gc.enable()


def _reason(error: Exception) -> str:
    if isinstance(error, MtsweepError):
        return str(error)
    if device.is_out_of_memory(error):
        return "out of memory: use lora=qlora, a smaller model or fewer pairs at once"
    if device.is_disk_full(error):
        return f"disk full: make room and give the command again ({_first_line(error)})"
    return f"{type(error).__name__}: {_first_line(error)}"


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")


def _set_failed(run: Run, reason: str) -> None:
    try:
        run.folder.set_state("failed", reason)
    except OSError:  # the disk is full: what is on it still says that the run is not finished
        log_traceback()


def _leave() -> None:
    """End without taking the interpreter apart, which takes a second with these libraries."""
    atexit._run_exitfuncs()  # W&B's service ends with it, and logs are closed
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
    _leave()
