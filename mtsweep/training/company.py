"""One training in several processes, each on a device of its own.

A worker that trains with ``trainer.processes`` starts the others for it (``companion.py``), as
``torchrun`` would, and ends them with it. They load the same base model, go on from the same
checkpoint and take the same steps; everything else is the worker's.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mtsweep import ranks

_LOOK_SECONDS = 1.0
_ALONE_SECONDS = 60.0
"""How long a step may hang on a companion that died, before this process ends too."""
_LAST_SECONDS = 20.0


@contextlib.contextmanager
def company(order: object, processes: int, log: Path) -> Iterator[None]:
    """Within it, this process is the first of several, which wait for its training.

    Args:
        order: What the others get to know (pickled).
        processes: With this one.
        log: What the others print.

    Raises:
        MemoryError: if memory did not suffice for one of the others.
    """
    if processes == 1:
        yield
        return
    environment = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
    }
    over = threading.Event()
    others: list[subprocess.Popen[bytes]] = []
    try:
        for rank in range(1, processes):
            others.append(_start(order, {**environment, **_place(rank)}, log))
        threading.Thread(target=_watch, args=(others, over), daemon=True).start()
        with _environment({**environment, **_place(0)}):
            try:
                yield
            except Exception as error:
                if any(other.poll() == ranks.NO_MEMORY for other in _settled(others)):
                    raise MemoryError("one of the processes ran out of memory") from error
                raise
            else:
                _wait(others)
            finally:
                over.set()
                leave()
    finally:
        over.set()
        for other in others:
            other.kill()
            other.wait()
            if other.stdin:
                with contextlib.suppress(OSError):
                    other.stdin.close()


def leave() -> None:
    """Take this process out of its group, so that the next training can have another."""
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()
    forget()


def forget() -> None:
    """Let the next trainer look at the environment anew: libraries remember what they found."""
    from accelerate.state import AcceleratorState, GradientState

    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def _place(rank: int) -> dict[str, str]:
    return {"RANK": str(rank), "LOCAL_RANK": str(rank)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _start(order: object, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        other = subprocess.Popen(
            [sys.executable, "-m", "mtsweep.companion"],
            stdin=subprocess.PIPE,  # which closes when this process dies
            stdout=file,
            stderr=file,
            env={**os.environ, **environment},
        )
    if other.stdin:
        pickle.dump(order, other.stdin, pickle.HIGHEST_PROTOCOL)
        other.stdin.flush()
    return other


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    forget()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _settled(others: list[subprocess.Popen[bytes]]) -> list[subprocess.Popen[bytes]]:
    """The others, once they had a moment to end: that one died is seen by its neighbours first."""
    deadline = time.monotonic() + 2.0
    while time.monotonic() < deadline and all(other.poll() is None for other in others):
        time.sleep(0.1)
    return others


def _wait(others: list[subprocess.Popen[bytes]]) -> None:
    for other in others:
        with contextlib.suppress(subprocess.TimeoutExpired):
            other.wait(_LAST_SECONDS)


def _watch(others: list[subprocess.Popen[bytes]], over: threading.Event) -> None:
    """End this process when another died and nothing came of it: a step may wait for it forever."""
    while not over.wait(_LOOK_SECONDS):
        if any(other.poll() not in {None, 0} for other in others):
            if not over.wait(_ALONE_SECONDS):
                os.kill(os.getpid(), signal.SIGKILL)
            return


class Meet(TrainerCallback):
    """Comes first: a checkpoint is sealed when every process has put its part into it."""

    def on_save(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Wait for the others."""
        ranks.gather_here()


class Lead(TrainerCallback):
    """Comes last: what the first process decided after a step is what all do."""

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,
        **_: Any,  # noqa: ANN401
    ) -> None:
        """After a step, an epoch, or a dev loss."""
        for name, value in ranks.share(dict(vars(control))).items():
            setattr(control, name, value)

    on_epoch_end = on_evaluate = on_step_end
