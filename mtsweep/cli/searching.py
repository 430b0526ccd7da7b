"""A search, from its space to the report of its best trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mtsweep.cli import ending
from mtsweep.cli.sweeping import driven, sweep_folder
from mtsweep.errors import RunFailedError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from mtsweep.compose import Search as Asked
    from mtsweep.sweep.searches import Outcome, Prepared


def search(asked: Asked, arguments: Sequence[str]) -> None:
    """Try settings until there are enough, and compare the best of them with the base row.

    Raises:
        RunFailedError: if a trial failed.
    """
    from mtsweep import terminal, trials
    from mtsweep.config.launcher import describe
    from mtsweep.sweep import searches
    from mtsweep.sweep.slots import slots

    out = terminal.console()
    prepared = searches.prepare(asked)
    config = prepared.config
    here = prepared.launcher.kind == "local"
    places = slots(config, prepared.corners.processes) if here else []
    if config.dry_run:
        trials.planned(out, prepared, prepared.there())
        return
    known = [run_id for trial in prepared.there() for run_id in trial.runs]
    folder = sweep_folder(prepared.corners, arguments, known, {"search": {}})
    with searches.alone(folder, out.print):
        study = prepared.study()
        search = searches.begin(prepared, study)
        if anew := search.open:
            told = trials.lines(prepared, study.trials())
            terminal.banner(out, prepared.corners, describe(prepared.launcher), told)
            driven(
                replace(prepared.corners, groups=()),
                config, prepared.launcher, places, out, search,
            )  # fmt: skip
        found = searches.outcome(prepared, study)
    _end(out, folder, prepared, found, arguments, anew=anew)
    if failed := found.counts["failed"]:
        raise RunFailedError(f"{failed} of {len(found.trials)} trials failed")


def _end(  # noqa: PLR0913
    out: Console,
    folder: Path,
    prepared: Prepared,
    found: Outcome,
    arguments: Sequence[str],
    *,
    anew: bool,
) -> None:
    """Show the trials, what the dev set chose of them, and how that compares with the base row."""
    from mtsweep import trials
    from mtsweep.table import rows

    ending.comet(found.plan)
    table = rows(found.plan, found.failed, found.pruned)
    # The dev set has chosen. How the others did on the test set is in the files; shown here, it
    # would be a temptation to choose by it.
    ranked = trials.ranked(found, prepared.metric)
    judged = [
        row for row in table
        if row.kind == "base" or (row.folder and row.folder.id in ranked.chosen)
    ]  # fmt: skip
    trials.ranking(out, ranked)
    ending.tabulate(out, folder, table, judged)
    said = trials.told(found, prepared)
    outcome = {"search": {"said": said, **ranked.kept()}}
    sweep_folder(found.plan, arguments, [run.id for run in found.plan.runs], outcome)
    out.print()
    for sentence in said:
        out.print(sentence, markup=False)
    comparison = ending.judge(out, judged, folder, anew=True)
    ending.conclude(out, found.plan, comparison, anew=anew)
    for run in found.plan.runs:
        if run.id in found.failed:
            ending.tell_failure(run, found.failed[run.id])
