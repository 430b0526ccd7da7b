"""What a scheduler's library calls in its own process: a job, started and passed its signals."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtsweep.sweep.away.folder import JobFolder

_LOOK_SECONDS = 0.1
_ASK_SECONDS = 20


@dataclass
class Carrier:
    """Carries a job out: calling it starts the job's own process, and returns when that is over.

    Where submitit preempts it, the job stops behind a checkpoint, and the same call goes on later.

    Args:
        folder: Of the job.
        environment: What the job's environment has beside this process's.
    """

    folder: str
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __call__(self) -> int:
        """Carry the job out; returns its exit code."""
        self._pass_signals_on()
        place = JobFolder(Path(self.folder))
        with place.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mtsweep.sweep.away.job", self.folder],
                # When this process is gone, the job notices that nobody holds the other end.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        while not self._over():
            time.sleep(_LOOK_SECONDS)
        return self.process.wait()

    def checkpoint(self) -> Any:  # noqa: ANN401 - submitit's DelayedSubmission
        """Stop the job; returns what is to be done once it is its turn again, or ``None``.

        submitit calls it in a handler of signals.
        """
        from submitit.helpers import DelayedSubmission

        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGTERM)
            while not self._over():
                time.sleep(_LOOK_SECONDS)
        if JobFolder(Path(self.folder)).cancelled or _taken_off_the_queue():
            return None
        return DelayedSubmission(Carrier(self.folder, self.environment))

    def _over(self) -> bool:
        """Whether the job's process is gone; ``poll`` takes a lock that a handler may not take."""
        if self.process is None:
            return True
        with contextlib.suppress(ChildProcessError):
            return os.waitid(os.P_PID, self.process.pid, _GONE) is not None
        return True

    def _pass_signals_on(self) -> None:
        """Let SIGTERM and SIGUSR1 do what submitit's own signal of a preemption does."""
        main = threading.current_thread() is threading.main_thread()
        if "SUBMITIT_EXECUTOR" not in os.environ or not main:
            return
        own = getattr(signal, f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}")
        for number in {signal.SIGTERM, signal.SIGUSR1} - {own}:
            signal.signal(number, signal.getsignal(own))


def carry(carrier: Carrier) -> int:
    """A carrier's call, for libraries that take functions."""
    return carrier()


_GONE = os.WEXITED | os.WNOHANG | os.WNOWAIT if hasattr(os, "WNOWAIT") else 0


def _taken_off_the_queue() -> bool:
    """Whether somebody cancelled this job of Slurm: then it is no preemption."""
    job, program = os.environ.get("SLURM_JOB_ID"), shutil.which("squeue")
    if job is None or program is None:
        return False
    told = subprocess.run(
        [program, "--noheader", "--jobs", job, "--format", "%T"],
        capture_output=True,
        text=True,
        check=False,
        timeout=_ASK_SECONDS,
    )
    return told.returncode == 0 and told.stdout.strip() in {"CANCELLED", "COMPLETING"}
