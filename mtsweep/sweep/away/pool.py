"""Jobs through joblib: processes of this machine, or whatever backend joblib knows."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Collection, Mapping
from pathlib import Path

from mtsweep.config import SweepConfig
from mtsweep.config.launcher import Joblib
from mtsweep.errors import MissingExtraError
from mtsweep.sweep.away.carry import Carrier, carry
from mtsweep.sweep.away.schedulers import Seat, State


class Pool:
    """A pool of joblib's; a thread waits for each of its jobs.

    Args:
        options: Jobs at once, and the backend.
        sweep: Of the command.
        seats: One for each job at once.

    Raises:
        UserError: if joblib is not installed, or does not know the backend.
    """

    kind = "joblib"
    together = False

    def __init__(self, options: Joblib, sweep: SweepConfig, seats: list[Seat]) -> None:  # noqa: ARG002
        if importlib.util.find_spec("joblib") is None:
            raise MissingExtraError("hydra/launcher=joblib", "joblib", "joblib")
        self.options = options
        self.runs_per_job = options.runs_per_job
        self.seats = seats
        self.over: dict[str, State] = {}
        self.count = 0

    def submit(self, carrier: Carrier) -> str:
        """Hand a job to joblib."""
        self.count += 1
        job = str(self.count)
        threading.Thread(target=self._wait, args=(job, carrier), daemon=True).start()
        return job

    def _wait(self, job: str, carrier: Carrier) -> None:
        from joblib import Parallel, delayed

        try:
            pool = Parallel(n_jobs=self.options.n_jobs, backend=self.options.backend)
            (code,) = pool([delayed(carry)(carrier)])
        except Exception as error:  # noqa: BLE001 - a lost process is told like any other end
            told = " ".join(str(error).split())[:200]
            self.over[job] = State("over", f"{type(error).__name__}: {told}")
        else:
            self.over[job] = State("over", f"exit code {code}")

    def take_over(self, jobs: Mapping[str, Path]) -> Collection[str]:  # noqa: ARG002
        """None: they ended with the command that waited for them."""
        return ()

    def states(self, jobs: list[str]) -> dict[str, State]:
        """Look whose threads are through."""
        return {job: self.over.get(job, State("runs", "RUNNING")) for job in jobs}

    def cancel(self, job: str) -> None:
        """A process of joblib's cannot be ended alone; the job is ended by its own id."""

    def close(self) -> None:
        """Nothing is held: joblib's processes end by themselves."""
