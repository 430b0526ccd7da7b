"""The plan of a command: its distinct runs, what is to be done now, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mtsweep import tracking
from mtsweep.compose import Job
from mtsweep.errors import ConfigError, Problem, TooFewPairsError, UserError
from mtsweep.plan.grouping import Group, groups
from mtsweep.plan.identity import digest, identify
from mtsweep.standing import Run, chosen, looked_up, sharing


@dataclass(frozen=True)
class Plan:
    """What a command comes to."""

    runs: tuple[Run, ...]
    """Every distinct run, in the order asked for."""
    groups: tuple[Group, ...]
    """What is to be done now: unfinished runs, grouped by base model."""
    duplicates: int
    """Jobs that were another job under a different name."""
    left_out: tuple[str, ...]
    """Why jobs that ask for more pairs than there are have no run (``sweep.beyond_data=skip``)."""
    name: str
    """Sweep folder under ``sweeps/``, and W&B group."""
    output: Path

    @property
    def processes(self) -> int:
        """Processes that train one of the runs together, at most."""
        return max((run.config.trainer.processes for run in self.runs), default=1)

    @property
    def folder(self) -> Path:
        """Of the sweep."""
        return self.output / "sweeps" / self.name


def make(jobs: Sequence[Job]) -> Plan:
    """Name, check and group the runs of a command.

    Raises:
        UserError: if data or models are not as the configuration says, all problems at once.
    """
    runs: dict[str, Run] = {}
    problems: list[Problem] = []
    left_out: list[str] = []
    for config in dict.fromkeys(job.config.tracking for job in jobs):
        tracking.check(config)
    for job in jobs:
        try:
            run = identify(job)
        except UserError as error:
            problems.append(_as_problem(error))
            if isinstance(error, TooFewPairsError) and job.config.sweep.beyond_data == "skip":
                left_out.append(_text(problems.pop()))
        else:
            runs.setdefault(run.id, run)
    if not runs:
        problems += [_as_problem(UserError(each)) for each in left_out]
    if problems:
        raise ConfigError(problems) if len(set(problems)) > 1 else UserError(_text(problems[0]))
    config = jobs[0].config
    distinct = looked_up(tuple(runs.values()), Path(config.output_dir) / "runs")
    todo = {run.id: run for run in sharing(chosen(distinct, config.sweep))}
    return Plan(
        runs=tuple(todo.get(run.id, run) for run in distinct),
        groups=tuple(groups(todo.values())),
        duplicates=len(jobs) - len(left_out) - len(distinct),
        left_out=tuple(dict.fromkeys(left_out)),
        name=config.sweep.name or _sweep_name(distinct),
        output=Path(config.output_dir),
    )


def _as_problem(error: UserError) -> Problem:
    key, separator, complaint = str(error).partition(": ")
    return Problem(key, complaint) if separator else Problem("", key)


def _text(problem: Problem) -> str:
    return f"{problem.key}: {problem.complaint}" if problem.key else problem.complaint


def _sweep_name(runs: Sequence[Run]) -> str:
    return f"{slug(runs)}-{digest([run.id for run in runs])[:6]}"


def slug(runs: Sequence[Run]) -> str:
    """Models and data of some runs, as the beginning of a name."""
    models = sorted({Path(run.config.model.name).name.lower() for run in runs})
    names = sorted({run.config.data.name for run in runs})
    return "-".join([*models[:2], *names[:2]])[:60]
