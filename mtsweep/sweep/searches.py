"""A search before it starts and when it is through: its checks, its folder, what it came to."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock

from mtsweep import plan as plans
from mtsweep.compose import Search as Asked
from mtsweep.config import SweepConfig
from mtsweep.config.launcher import Launcher, Ray, SubmititSlurm
from mtsweep.errors import RunFailedError, UserError
from mtsweep.plan import Plan, Run
from mtsweep.scores import direction
from mtsweep.space import Point
from mtsweep.sweep import memory
from mtsweep.sweep.search import Search
from mtsweep.sweep.study import FILE, Study, Trial, require


@dataclass(frozen=True)
class Prepared:
    """A search whose space, data and models were looked at."""

    asked: Asked
    corners: Plan
    """Runs in which every choice and bound of the space occurs; its name and place are the
    search's."""
    identity: str
    """Digest of everything that its results depend on."""
    launcher: Launcher
    """Where its runs are done."""

    @property
    def at_once(self) -> int | None:
        """Trials that are under way at a time, at most."""
        cluster = isinstance(self.launcher, SubmititSlurm | Ray)
        return self.config.at_once or (_ON_A_CLUSTER if cluster else None)

    @property
    def config(self) -> SweepConfig:
        """What concerns the whole search."""
        return self.corners.runs[0].config.sweep

    @property
    def metric(self) -> str:
        """What trials are compared by."""
        return self.config.metric or "chrf"

    @property
    def file(self) -> Path:
        """Of the study."""
        return self.corners.folder / FILE

    def study(self) -> Study:
        """The study, made if it is not there.

        Raises:
            UserError: if the file holds another search.
        """
        config = self.config
        pruning = (config.pruner, config.reduction) if config.pruner else None
        return Study(self.file, self.asked.space, self.identity, self.metric, config.seed, pruning)

    def there(self) -> list[Trial]:
        """The trials of an earlier command; nothing is made for it."""
        return self.study().trials() if self.file.is_file() else []

    def make(self, point: Point) -> Plan:
        """The runs of a point.

        Raises:
            MtsweepError: if they cannot be.
        """
        plan = plans.make(self.asked.jobs(point))
        if left_out := _too_large(plan, self.config, self.launcher):
            raise RunFailedError(next(iter(left_out.values())))
        return plan


_ON_A_CLUSTER = 4
"""A cluster would take all trials at once, and none would have learnt from another."""


def _too_large(plan: Plan, config: SweepConfig, launcher: Launcher) -> Mapping[str, str]:
    """Runs that do not fit here; what a job's machine has is not known before it runs there."""
    return memory.refused(plan, config) if launcher.kind == "local" else {}


def prepare(asked: Asked) -> Prepared:
    """Look at the corners of a space before anything starts.

    Raises:
        UserError: if Optuna, data or models are not there, or trials could not be compared.
    """
    require()
    jobs = [job for corner in asked.space.corners() for job in asked.jobs(corner)]
    plan = plans.make(jobs)
    config = jobs[0].config.sweep
    _comparable(plan.runs, config.metric or "")
    _too_large(plan, config, jobs[0].launcher)
    space = asked.space
    identity = plans.digest(
        [sorted(map(repr, space.dimensions)), space.seeds, config.metric, _ids(plan.runs)]
    )
    name = config.name or f"{plans.slug(plan.runs)}-search-{identity[:6]}"
    return Prepared(asked, replace(plan, name=name), identity, jobs[0].launcher)


def _ids(runs: Sequence[Run]) -> list[str]:
    return sorted(run.id for run in runs)


def _comparable(runs: Sequence[Run], metric: str) -> None:
    """Say whether the dev set says the same kind of thing of all runs.

    Raises:
        UserError: if not.
    """
    if len({run.corpus.dev for run in runs}) > 1:
        raise UserError(
            "sweep.search: the space changes the dev set, and scores on different ones cannot be "
            "compared; search over data.size, data.clean or a share, or give data.dev_file"
        )
    if len({(run.located.name, run.located.revision, run.config.prompt) for run in runs}) > 1 and (
        metric == "eval_loss"
    ):
        raise UserError(
            "sweep.metric: losses of different models or prompts cannot be compared; "
            "use sweep.metric=chrf or bleu"
        )


@contextlib.contextmanager
def alone(folder: Path, say: Callable[[str], object]) -> Iterator[None]:
    """Hold a search; a second command at the same one waits, and finds it done."""
    lock = FileLock(folder / "study.lock")
    try:
        lock.acquire(blocking=False)
    except TimeoutError:
        say("another command is at this search; this one waits for it …")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def begin(prepared: Prepared, study: Study) -> Search:
    """The source of a search's runs."""
    wanted, metric = prepared.config.trials, prepared.metric
    return Search(study, prepared.make, wanted, metric, prepared.at_once)


@dataclass(frozen=True)
class Outcome:
    """What a search came to."""

    plan: Plan
    """Its runs: of finished trials, the best first, then the others."""
    trials: tuple[Trial, ...]
    best: Trial | None
    failed: Mapping[str, str]
    """Run id to why it failed."""
    pruned: Mapping[str, str]
    """Run id to where it was pruned."""
    importances: Mapping[str, float]

    @property
    def counts(self) -> Counter[str]:
        """Number of trials by state."""
        return Counter(trial.state for trial in self.trials)

    def of(self, trial: Trial) -> list[Run]:
        """The runs of a trial."""
        return [run for run in self.plan.runs if run.id in trial.runs]


def outcome(prepared: Prepared, study: Study) -> Outcome:
    """Gather what a study holds, with the runs it is made of."""
    trials = study.trials()
    lower = direction(prepared.metric) == "lower"
    finished = sorted(
        (trial for trial in trials if trial.state == "finished"),
        key=lambda trial: (trial.value or 0.0) * (1 if lower else -1),
    )
    others = [trial for trial in trials if trial.state in {"pruned", "failed"} and trial.runs]
    ordered = [*finished, *sorted(others, key=lambda trial: trial.state, reverse=True)]
    jobs = [job for trial in ordered for job in prepared.asked.jobs(trial.point)]
    plan = plans.make(jobs) if jobs else prepared.corners
    begun = {run.id for run in plan.runs if run.folder.path.is_dir()}
    # Of a trial that ended early, the seeds that were not begun are no runs.
    known = {each for trial in ordered for each in begun.intersection(trial.runs) or trial.runs[:1]}
    runs = tuple(run for run in plan.runs if run.id in known)
    reasons = {
        state: {
            each: trial.reason for trial in others if trial.state == state for each in trial.runs
        }
        for state in ("failed", "pruned")
    }
    return Outcome(
        replace(plan, runs=runs, groups=(), duplicates=0, name=prepared.corners.name),
        tuple(trials),
        finished[0] if finished else None,
        reasons["failed"],
        reasons["pruned"],
        study.importances(),
    )
