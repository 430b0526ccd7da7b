"""Commands and workers that start at once: forked from a process that imported what they import.

Importing torch and TRL takes a worker 6 to 9 seconds of CPU time, and the tests start more than a
hundred. So ``Popen`` has ``python -m mtsweep`` and its workers forked by a process that imported
the libraries once. All else is as it is: processes of their own, with their pipes, environment and
sessions, whose module is ``__main__``, and which are children of the process that started them: it
signals them and waits for them. What asks for another interpreter in any way gets one: another
environment that libraries might read, a ``preexec_fn``, another module.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import inspect
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

NAME = "nursery"
"""What the process that forks is called (``/proc/PID/comm``)."""
STARTUP = str(Path(__file__).parent / "startup")
"""On PYTHONPATH it does what ``TEST_FAULT`` says; forks do that without it."""
_MODULES = ("mtsweep", "mtsweep.sweep.worker")
_READ_WHEN_USED = (
    "MTSWEEP_", "WANDB_", "PYTEST_", "TEST_", "CHAT_KEY", "TORCHINDUCTOR_", "ACCELERATE_", "KMP_",
)  # fmt: skip
"""Variables by how they begin, which are read late or set by libraries themselves; what others say
may be read by libraries when they are imported."""
_ENVIRONMENT = dict(os.environ)
_PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
"""As ``subprocess`` names the ends of its pipes."""
_SET_NAME, _SET_CHILD_SUBREAPER = 15, 36
_LONGEST = 1 << 20


@dataclass(frozen=True)
class Order:
    """What shall be started, as ``subprocess`` was told it."""

    module: str
    arguments: list[str]
    environment: dict[str, str]
    place: str


class Popen(subprocess.Popen[Any]):
    """``subprocess.Popen``, which has commands and workers forked."""

    def _execute_child(self, *given: Any) -> None:
        start = super()._execute_child  # type: ignore[misc]
        told = inspect.signature(start).bind(*given).arguments
        order = _order(told)
        if order is None:
            start(*given)
            return
        theirs = [told["p2cread"], told["c2pwrite"], told["errwrite"]]
        streams = [own if number == -1 else number for own, number in enumerate(theirs)]
        self.pid = _nursery().fork(order, streams)
        self._child_created = True
        self._close_pipe_fds(*(told[name] for name in _PIPES))  # type: ignore[attr-defined]


def _order(told: dict[str, Any]) -> Order | None:
    """What a fork can do; libraries must find the environment that they were imported in."""
    command, environment = told["args"], dict(told["env"] or os.environ)
    if not isinstance(command, list) or command[:2] != [sys.executable, "-m"]:
        return None
    if (
        command[2] not in _MODULES
        or told["preexec_fn"]
        or _read(environment) != _read(_ENVIRONMENT)
    ):
        return None
    return Order(command[2], command[3:], environment, str(told["cwd"] or Path.cwd()))


def _read(environment: dict[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(_READ_WHEN_USED) and (name, value) != ("PYTHONPATH", STARTUP)
    }


class _Nursery:
    """The process that forks, and the way to ask it."""

    def __init__(self, line: socket.socket, pid: int) -> None:
        self.line = line
        self.pid = pid
        atexit.register(self.close)

    def fork(self, order: Order, streams: list[int]) -> int:
        """Have a process forked; returns the id of what is this one's child from then on."""
        _prctl(_SET_CHILD_SUBREAPER, 1)
        try:
            socket.send_fds(self.line, [json.dumps(asdict(order)).encode()], streams)
            told = self.line.recv(_LONGEST)
        finally:
            _prctl(_SET_CHILD_SUBREAPER, 0)
        assert told, "the nursery is gone"
        return int(told)

    def close(self) -> None:
        """End it; what it has forked goes on."""
        self.line.close()
        os.waitpid(self.pid, 0)


_own: list[_Nursery] = []


def _nursery() -> _Nursery:
    """The one of this process, started if there is none yet."""
    if not _own:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                cwd=Path(__file__).parents[1],
                env=_ENVIRONMENT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        process.returncode = 0  # `close` waits for it
        _own.append(_Nursery(ours, process.pid))
    return _own[0]


def _prctl(option: int, value: Any) -> None:
    if ctypes.CDLL(None).prctl(option, value, 0, 0, 0):
        raise OSError(f"prctl refuses option {option}")


def _import() -> None:
    """Import and read what the processes do, whatever they are told."""
    import matplotlib.figure  # noqa: F401
    import openai  # noqa: F401
    from transformers import Seq2SeqTrainer  # noqa: F401
    from trl import SFTTrainer  # noqa: F401

    import mtsweep.cli
    import mtsweep.compose.composer
    import mtsweep.run  # noqa: F401
    from mtsweep.evaluation.degeneration import _identifier

    _identifier()
    own, *others = (
        path / "comm" for path in sorted(Path("/proc/self/task").iterdir(), key=_number)
    )
    names = {path.read_text().strip() for path in others}
    # A fork leaves threads behind, with the locks they hold; the allocators of Arrow and of BLAS,
    # whose threads are called as the process is, know of forks.
    assert names <= {"jemalloc_bg_thd", own.read_text().strip()}, names
    gc.collect()
    gc.freeze()


def _number(path: Path) -> int:
    return int(path.name)


def _serve(line: socket.socket) -> None:
    """Fork whenever it is asked for; a fork returns from here when its work is done."""
    _prctl(_SET_NAME, NAME.encode())
    while True:
        told, streams, _, _ = socket.recv_fds(line, _LONGEST, 3)
        if not told:
            return
        reads, writes = os.pipe()
        middle = os.fork()
        if middle == 0:
            forked = os.fork()
            if forked != 0:
                os.write(writes, str(forked).encode())
                os._exit(0)
            for number in (line.detach(), reads, writes):
                os.close(number)
            _work(Order(**json.loads(told)), streams)
            return
        os.waitpid(middle, 0)  # the fork is a child of who asked, from here on
        line.send(os.read(reads, 32))
        for number in (reads, writes, *streams):
            os.close(number)


def _work(order: Order, streams: list[int]) -> None:
    _prctl(_SET_NAME, b"python")
    os.setsid()
    _share_media()
    for own, number in enumerate(streams):
        os.dup2(number, own)
    for number in set(streams) - {0, 1, 2}:
        os.close(number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(order.environment)
    os.chdir(order.place)
    if order.module == "mtsweep":
        if not _with_a_nursery():
            return
    elif order.environment.get("TEST_FAULT"):
        from tests import faults

        faults.begin()
    sys.argv = [order.module, *order.arguments]
    sys.path[0] = order.place
    runpy.run_module(order.module, run_name="__main__", alter_sys=True)


def _share_media() -> None:
    """Leave it to the process that imported W&B to remove the folder that all forks have of it."""
    from wandb.sdk.data_types._private import MEDIA_TMP

    folder: Any = MEDIA_TMP
    atexit.unregister(folder.cleanup)
    folder._finalizer.detach()


def _with_a_nursery() -> bool:
    """Split off the nursery of a command's workers; whether this is not it, when it is through."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for own in range(3):
            os.dup2(nowhere, own)
        _serve(theirs)
        return False
    theirs.close()
    _own.append(_Nursery(ours, pid))
    subprocess.Popen = Popen
    return True


if __name__ == "__main__":
    _import()
    _serve(socket.socket(fileno=int(sys.argv[1])))
