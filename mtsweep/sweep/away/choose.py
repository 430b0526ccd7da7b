"""Which scheduler a launcher means; its library is imported when it is needed."""

from __future__ import annotations

from mtsweep.config import SweepConfig
from mtsweep.config.launcher import Joblib, Launcher, Ray, SubmititLocal, SubmititSlurm
from mtsweep.sweep.away.schedulers import Scheduler, Seat, seats_here


def scheduler(options: Launcher, sweep: SweepConfig) -> Scheduler:
    """The scheduler of a launcher.

    Raises:
        UserError: if its library is not installed, or it cannot be reached.
    """
    if isinstance(options, SubmititSlurm):
        from mtsweep.sweep.away.slurm import Slurm

        return Slurm(options, sweep, _seats_of_a_cluster(options, sweep))
    if isinstance(options, SubmititLocal):
        from mtsweep.sweep.away.slurm import Rehearsal

        return Rehearsal(options, sweep, seats_here(sweep, options.array_parallelism))
    if isinstance(options, Joblib):
        from mtsweep.sweep.away.pool import Pool

        return Pool(options, sweep, seats_here(sweep, options.n_jobs))
    if isinstance(options, Ray):
        from mtsweep.sweep.away.tasks import Tasks

        return Tasks(options)
    raise ValueError("runs of this machine's own need no scheduler")


def _seats_of_a_cluster(options: SubmititSlurm, sweep: SweepConfig) -> list[Seat]:
    threads = max(1, (options.cpus_per_task or 1) // sweep.workers)
    environment = {"OMP_NUM_THREADS": str(threads)} if options.cpus_per_task else {}
    return [Seat(environment) for _ in range(options.array_parallelism)]
