"""Jobs through submitit: of Slurm, or of submitit on this machine."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtsweep.config import SweepConfig
from mtsweep.config.launcher import SubmititLocal, SubmititSlurm
from mtsweep.errors import MissingExtraError, UserError
from mtsweep.sweep.away.carry import Carrier
from mtsweep.sweep.away.schedulers import Seat, State

_FIRST_SECONDS, _LAST_SECONDS = 2.0, 30.0
"""Between two questions to Slurm, at the beginning and later."""
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

    together = True

    def __init__(self, options: SubmititSlurm, sweep: SweepConfig, seats: list[Seat]) -> None:  # noqa: ARG002
        _require_submitit(options.kind)
        self.options = options
        self.runs_per_job = options.runs_per_job
        self.seats = seats
        self.jobs: dict[str, Any] = {}
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
        self.jobs[job.job_id] = job
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

    def states(self, jobs: list[str]) -> dict[str, State]:
        """Ask ``sacct``, seldom: one question is for all jobs."""
        known = [self.jobs[job] for job in jobs]
        if known and time.monotonic() - self.asked >= self.pause:
            with _quiet():
                known[0].watcher.update()
            self.asked = time.monotonic()
            self.pause = min(1.5 * self.pause, _LAST_SECONDS)
        told = {job.job_id: job.watcher.get_state(job.job_id, mode="cache") for job in known}
        return {job: _state(word) for job, word in told.items() if word != "UNKNOWN"}

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


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep submitit from warning in the terminal where Slurm has no accounting."""
    import logging

    logger = logging.getLogger("submitit")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _require_submitit(kind: str) -> None:
    if importlib.util.find_spec("submitit") is None:
        raise MissingExtraError(f"hydra/launcher={kind}", "submitit", "submitit")


def _short(error: BaseException) -> str:
    return " ".join(line.strip() for line in str(error).splitlines() if line.strip())[:500]
