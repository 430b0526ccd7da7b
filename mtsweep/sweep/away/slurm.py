"""Jobs through submitit: of Slurm, or of submitit on this machine."""

from __future__ import annotations

import contextlib
import getpass
import importlib.util
import math
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mtsweep.config import SweepConfig
from mtsweep.config.launcher import SubmititLocal, SubmititSlurm
from mtsweep.errors import MissingExtraError, UserError
from mtsweep.sweep.away.carry import Carrier
from mtsweep.sweep.away.schedulers import Seat, State

_FIRST_SECONDS, _LAST_SECONDS = 2.0, 30.0
"""Between two questions to Slurm, at the beginning and later."""
_ANSWER_SECONDS = 20
"""For a program of Slurm."""
_WAITING = {"PENDING", "READY", "REQUEUED", "CONFIGURING", "REQUEUE_HOLD", "SUSPENDED", "PREEMPTED"}
_RUNNING = {"RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING"}


class Slurm:
    """Jobs of Slurm.

    Args:
        options: Of ``sbatch``, and submitit's own.
        sweep: Of the command.
        seats: As many as jobs may be in the queue at once.

    Raises:
        UserError: if submitit is not installed, or this is no Slurm cluster.
    """

    kind = "submitit_slurm"
    together = True

    def __init__(self, options: SubmititSlurm, sweep: SweepConfig, seats: list[Seat]) -> None:  # noqa: ARG002
        _require_submitit(options.kind)
        self.options = options
        self.runs_per_job = options.runs_per_job
        self.seats = seats
        self.jobs: dict[str, Any] = {}
        self.words: dict[str, str] = {}
        """What Slurm said last of each job."""
        self.asked = 0.0
        self.pause = _FIRST_SECONDS

    def submit(self, carrier: Carrier) -> str:
        """Submit a job with ``sbatch``."""
        import submitit

        try:
            executor = submitit.SlurmExecutor(
                Path(carrier.folder) / "submitit", max_num_timeout=self.options.max_num_timeout
            )
            executor.update_parameters(**self._parameters())
            job = executor.submit(carrier)
        except subprocess.CalledProcessError as error:
            raise UserError(f"hydra/launcher=submitit_slurm: sbatch: {error.output}") from error
        except (RuntimeError, ValueError, OSError) as error:
            raise UserError(f"hydra/launcher=submitit_slurm: {_short(error)}") from error
        self.jobs[job.job_id], self.words[job.job_id] = job, "PENDING"
        self.pause = _FIRST_SECONDS
        return job.job_id

    def _parameters(self) -> dict[str, Any]:
        options = self.options.model_dump(
            exclude={"kind", "runs_per_job", "max_num_timeout", "timeout_min", "mem_gb", "name"}
        )
        given = {name: value for name, value in options.items() if value is not None}
        if self.options.gpus_per_node == 0:
            del given["gpus_per_node"]
        if self.options.setup:
            given["setup"] = list(self.options.setup)
        if self.options.mem_gb:
            given["mem"] = f"{round(1024 * self.options.mem_gb)}MB"
        # A job that is preempted goes on where it stopped, so Slurm may queue it again by itself.
        more = {"requeue": True, **self.options.additional_parameters}
        return {
            **given,
            "job_name": self.options.name,
            "time": self.options.timeout_min,
            "additional_parameters": more,
        }

    def take_over(self, jobs: Mapping[str, Path]) -> Collection[str]:
        """Ask Slurm for jobs of an earlier command."""
        import submitit

        if not jobs:
            return ()
        for job, folder in jobs.items():
            self.jobs[job] = submitit.SlurmJob(folder / "submitit", job)
        self.asked = -math.inf
        return {job for job, state in self.states([*jobs]).items() if state.phase != "over"}

    def states(self, jobs: list[str]) -> dict[str, State]:
        """What Slurm said last; it is asked seldom, and for all jobs at once."""
        if jobs and time.monotonic() - self.asked >= self.pause:
            self._ask(jobs)
            self.asked = time.monotonic()
            self.pause = min(1.5 * self.pause, _LAST_SECONDS)
        return {job: _state(self.words[job]) for job in jobs if job in self.words}

    def _ask(self, jobs: list[str]) -> None:
        """Ask ``sacct``, and ``squeue`` for what it does not know: yet, or without accounting."""
        told = _accounts(jobs)
        left = [job for job in jobs if job not in told]
        if left and (queue := _queue()) is not None:
            known = [job for job in left if job in self.words]
            # One that was in the queue, and is not any more, is over.
            told |= dict.fromkeys(known, "GONE") | {job: queue[job] for job in left if job in queue}
        self.words |= told

    def cancel(self, job: str) -> None:
        """``scancel``."""
        with contextlib.suppress(OSError):
            self.jobs[job].cancel(check=False)
        self.asked, self.pause = 0.0, _FIRST_SECONDS

    def close(self) -> None:
        """Nothing is held."""


def _state(word: str) -> State:
    first = word.split(maxsplit=1)[0] if word.split() else word  # "CANCELLED by 1000"
    if first in _WAITING:
        return State("waits", first)
    return State("runs" if first in _RUNNING else "over", first)


class Rehearsal:
    """Jobs of submitit on this machine.

    Args:
        options: Submitit's own.
        sweep: Of the command.
        seats: As many as jobs may run at once.

    Raises:
        UserError: if submitit is not installed.
    """

    kind = "submitit_local"
    together = False

    def __init__(self, options: SubmititLocal, sweep: SweepConfig, seats: list[Seat]) -> None:  # noqa: ARG002
        _require_submitit(options.kind)
        self.options = options
        self.runs_per_job = options.runs_per_job
        self.seats = seats
        self.jobs: dict[str, Any] = {}

    def submit(self, carrier: Carrier) -> str:
        """Start submitit's controller of a job."""
        import submitit

        executor = submitit.LocalExecutor(
            Path(carrier.folder) / "submitit", max_num_timeout=self.options.max_num_timeout
        )
        executor.update_parameters(
            timeout_min=self.options.timeout_min,
            signal_delay_s=self.options.signal_delay_s,
            setup=list(self.options.setup or ()),
        )
        job = executor.submit(carrier)
        self.jobs[job.job_id] = job
        return job.job_id

    def take_over(self, jobs: Mapping[str, Path]) -> Collection[str]:  # noqa: ARG002
        """None: runs that they are at are locked, and waited for."""
        return ()

    def states(self, jobs: list[str]) -> dict[str, State]:
        """Look whether the controllers are there."""
        words = {job: self.jobs[job].state for job in jobs}
        return {
            job: State("runs" if word == "RUNNING" else "over", word) for job, word in words.items()
        }

    def cancel(self, job: str) -> None:
        """End a controller; the job, which hangs on it, is ended by its own id."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(job), signal.SIGKILL)

    def close(self) -> None:
        """Nothing is held."""


def _accounts(jobs: list[str]) -> dict[str, str]:
    """Jobs and their states by Slurm's accounting, those that it knows."""
    asked = [word for job in jobs for word in ("-j", job)]
    told = _answer("sacct", "--noheader", "--parsable2", "-o", "JobID,State", *asked) or ""
    rows = [line.partition("|") for line in told.splitlines()]
    return {job: word.strip() for job, _, word in rows if word and "." not in job}


def _queue() -> dict[str, str] | None:
    """The user's jobs in Slurm's queue, and their states; ``None`` where nobody can tell."""
    told = _answer("squeue", "--noheader", "--user", getpass.getuser(), "--format", "%i %T")
    if told is None:
        return None
    rows = [line.partition(" ") for line in told.splitlines()]
    return {job: word.strip() for job, _, word in rows}


def _answer(program: str, *arguments: str) -> str | None:
    """What a program of Slurm prints; ``None`` where it is not there, or fails."""
    if (path := shutil.which(program)) is None:
        return None
    try:
        told = subprocess.run(
            [path, *arguments],
            capture_output=True, text=True, check=True, timeout=_ANSWER_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout


def _require_submitit(kind: str) -> None:
    if importlib.util.find_spec("submitit") is None:
        raise MissingExtraError(f"hydra/launcher={kind}", "submitit", "submitit")


def _short(error: BaseException) -> str:
    return " ".join(line.strip() for line in str(error).splitlines() if line.strip())[:500]
