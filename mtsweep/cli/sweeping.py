"""A sweep, or a single run, from its jobs to its report."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from mtsweep.cli import ending
from mtsweep.errors import RunFailedError, UserError

if TYPE_CHECKING:
    from rich.console import Console

    from mtsweep.compose import Job
    from mtsweep.config import SweepConfig
    from mtsweep.config.launcher import Launcher
    from mtsweep.plan import Plan
    from mtsweep.sweep.engine import Failure
    from mtsweep.sweep.search import Search
    from mtsweep.sweep.slots import Slot


def sweep(jobs: Sequence[Job], arguments: Sequence[str]) -> None:
    """Do what is to be done of a command's runs, and compare them.

    Raises:
        RunFailedError: if one of them failed.
        UserError: for what can be mended before they begin.
    """
    from mtsweep import plan as plans
    from mtsweep import terminal
    from mtsweep.config.launcher import describe
    from mtsweep.sweep import memory
    from mtsweep.sweep.engine import Failure
    from mtsweep.sweep.slots import slots
    from mtsweep.table import rows

    out = terminal.console()
    plan = plans.make(jobs)
    config, launcher = jobs[0].config.sweep, jobs[0].launcher
    here = launcher.kind == "local"
    places = slots(config, plan.processes) if here else []
    if config.dry_run:
        terminal.planned(out, plan)
        return
    # What a job's machine has is not known before it runs there.
    left_out = memory.refused(plan, config) if here else {}
    folder = sweep_folder(plan, arguments, [run.id for run in plan.runs])
    failures = {run.id: Failure(run, left_out[run.id]) for run in plan.runs if run.id in left_out}
    plan = memory.without(plan, left_out)
    if plan.groups:
        terminal.banner(out, plan, describe(launcher))
        told = driven(plan, config, launcher, places, out)
        failures |= {failure.run.id: failure for failure in told}
    ending.comet(plan)
    table = rows(plan, {run_id: failure.reason for run_id, failure in failures.items()})
    ending.tabulate(out, folder, table)
    anew = bool(plan.groups) or not (folder / "report.html").is_file()
    comparison = ending.judge(out, table, folder, anew=anew)
    ending.conclude(out, plan, comparison, anew=bool(plan.groups))
    for failure in failures.values():
        ending.tell_failure(failure.run, failure.reason)
    if failures:
        raise RunFailedError(f"{len(failures)} of {len(plan.runs)} runs failed")


def driven(
    plan: Plan,
    sweep: SweepConfig,
    launcher: Launcher,
    places: Sequence[Slot],
    out: Console,
    search: Search | None = None,
) -> list[Failure]:
    """Do the runs, in workers of this machine or in jobs of a scheduler, and show how they go."""
    from mtsweep import progress
    from mtsweep.sweep import engine
    from mtsweep.sweep.away import drive as away
    from mtsweep.sweep.away.choose import scheduler

    there = None if launcher.kind == "local" else scheduler(launcher, sweep)
    with progress.LiveTable(out, plan) if out.is_terminal else progress.Plain(out) as look:
        if search is not None:
            search.say = look.said
        if there is None:
            return engine.drive(plan, sweep, places, look, search)
        return away.drive(plan, sweep, there, look, search)


def sweep_folder(
    plan: Plan,
    arguments: Sequence[str],
    run_ids: Sequence[str],
    outcome: Mapping[str, object] | None = None,
) -> Path:
    """Make the sweep's folder, before anything else: an unwritable place is told early."""
    from mtsweep.compose import question
    from mtsweep.record import write

    folder = plan.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        command = shlex.join(["python", "-m", "mtsweep", *arguments])
        told = {"command": command, **question(arguments), "runs": [*run_ids], **(outcome or {})}
        write(folder / "sweep.yaml", yaml.safe_dump(told, sort_keys=False))
    except OSError as error:
        raise UserError(
            f"output_dir: cannot write to {folder} ({error.strerror}); choose another output_dir"
        ) from error
    return folder
