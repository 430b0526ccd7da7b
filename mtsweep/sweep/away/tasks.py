"""Jobs as tasks of Ray."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mtsweep.config.launcher import Ray
from mtsweep.errors import MissingExtraError, UserError
from mtsweep.sweep.away.carry import Carrier, carry
from mtsweep.sweep.away.schedulers import Seat, State

_AT_ONCE = 256
"""Tasks that are submitted; Ray starts as many of them as it has room for."""


class Tasks:
    """Tasks of a Ray that is started here, or reached by its address.

    Args:
        options: How Ray is reached, and what a job takes of it.

    Raises:
        UserError: if Ray is not installed, or cannot be reached.
    """

    kind = "ray"
    together = True

    def __init__(self, options: Ray) -> None:
        if importlib.util.find_spec("ray") is None:
            raise MissingExtraError("hydra/launcher=ray", "ray", "ray")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # A job without GPU sees none that Ray did not give it; this is what Ray will do one day.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        self.runs_per_job = options.runs_per_job
        self.seats = [Seat() for _ in range(_AT_ONCE)]
        self.jobs: dict[str, Any] = {}
        self.task = self._reach(options)

    def _reach(self, options: Ray) -> Any:  # noqa: ANN401 - a remote function
        import ray

        told = options.ray.init.model_dump(by_alias=True, exclude_none=True)
        try:
            ray.init(
                log_to_driver=False, logging_level=logging.ERROR, configure_logging=True, **told
            )
        except (ConnectionError, RuntimeError, ValueError, OSError, TimeoutError) as error:
            raise UserError(f"hydra.launcher.ray.init: {_short(error)}") from error
        takes = options.ray.remote.model_dump(exclude_none=True)
        if options.ray.remote.num_gpus is None:
            takes["num_gpus"] = 1 if ray.cluster_resources().get("GPU") else 0
        # A job that is lost is looked after by the command, which knows what is left of it.
        return ray.remote(**takes, max_retries=0)(carry)

    def submit(self, carrier: Carrier) -> str:
        """Hand a task to Ray."""
        job = str(len(self.jobs) + 1)
        self.jobs[job] = self.task.remote(carrier)
        return job

    def take_over(self, jobs: Mapping[str, Path]) -> Collection[str]:  # noqa: ARG002
        """None: Ray ends them with the command that submitted them."""
        return ()

    def states(self, jobs: list[str]) -> dict[str, State]:
        """Ask which tasks are over."""
        import ray

        if not jobs:
            return {}
        asked = {self.jobs[job]: job for job in jobs}
        ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=0)
        told = dict.fromkeys(jobs, State("waits", "PENDING"))
        for task in ready:
            try:
                word = f"exit code {ray.get(task)}"
            except Exception as error:  # noqa: BLE001 - a lost task is told like any other end
                word = f"{type(error).__name__}: {_short(error)}"
            told[asked[task]] = State("over", word)
        return told

    def cancel(self, job: str) -> None:
        """End a task, now."""
        import ray

        with contextlib.suppress(Exception):
            ray.cancel(self.jobs[job], force=True)

    def close(self) -> None:
        """Leave the cluster, or end the Ray that was started here."""
        import ray

        ray.shutdown()


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
