"""``mtsweep plan``: what a sweep would do, without doing it and without torch."""

from __future__ import annotations

from collections.abc import Sequence

from mtsweep import plan as plans
from mtsweep import terminal, trials
from mtsweep.compose import Search, asked
from mtsweep.errors import UserError
from mtsweep.sweep import searches

_HELP = """\
usage: python -m mtsweep plan [-m] [overrides, as for a sweep]

Prints every run that the same command without `plan` would do: id, state (new, resumable, failed,
finished), the group that shares a base model, and the parameters, memory, time and disk that it is
expected to take. Runs that share a training take its time once. Of a search: its space and what its
bounds cost. Nothing is started, written or loaded."""


def run(arguments: Sequence[str]) -> int:
    """Print the plan of the sweep that ``arguments`` (Hydra's) name."""
    if set(arguments) & {"-h", "--help"}:
        print(_HELP)
        return 0
    jobs = asked(arguments, lambda _: None)
    if isinstance(jobs, Search):
        prepared = searches.prepare(jobs)
        trials.planned(terminal.console(), prepared, prepared.there())
        return 0
    if not jobs:
        raise UserError("plan: works with hydra/launcher=local, which gets all runs at once")
    terminal.planned(terminal.console(), plans.make(jobs))
    return 0
