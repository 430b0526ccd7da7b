"""A run as a plan knows it, and where it stands: finished, resumable, failed, or new."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import yaml

from mtsweep.config import RunConfig, SweepConfig
from mtsweep.data.pairs import Corpus
from mtsweep.data.shots import Shots
from mtsweep.errors import UserError
from mtsweep.estimate import Correction, Estimate, correction, kind
from mtsweep.models import families
from mtsweep.models.locate import Located
from mtsweep.record import Record, RunFolder, records

RunState = Literal["finished", "resumable", "failed", "new"]


@dataclass(frozen=True)
class Run:
    """One run, named and ready."""

    config: RunConfig
    overrides: str
    corpus: Corpus
    located: Located
    family: families.Family
    id: str
    """First 12 hex digits of SHA-256 over everything that can change the result."""
    train_id: str
    """The same without decoding and evaluation: runs with one train_id share trained weights."""
    base_id: str
    """Of the untouched model under the same prompt, test set and decoding: the base row."""
    folder: RunFolder
    base_folder: RunFolder
    state: RunState = "new"
    """Where it stood when the plan was made."""
    guess: Estimate = Estimate(0, 0.0, 0)
    """What it will take, by its configuration alone."""
    estimate: Estimate = Estimate(0, 0.0, 0)
    """The same, corrected by what finished runs of the model took."""
    twins: tuple[RunFolder, ...] = ()
    """Of runs with the same training: their trained weights may be taken over."""
    also: Mapping[str, Corpus] = field(default_factory=dict)
    """Further test sets by name; nothing of them is trained on."""
    shots: Shots | None = None
    """What its prompt shows as examples."""

    @property
    def label(self) -> str:
        """What the run is called: the overrides that tell it from its siblings, or its id."""
        return self.overrides or self.id

    @property
    def untouched(self) -> bool:
        """Whether it trains nothing, and so is its own base row."""
        return self.id == self.base_id

    @property
    def finished(self) -> bool:
        """Whether the run and its base row had records when the plan was made."""
        return self.state == "finished"

    @property
    def trained(self) -> RunFolder | None:
        """This run's folder or one with the same training, if trained weights are in it now."""
        for folder in (self.folder, *self.twins):
            told = folder.training()
            if told and told.train_id == self.train_id and folder.trained:
                return folder
        return None

    def as_yaml(self) -> str:
        """Its whole configuration (``config.yaml``)."""
        return yaml.safe_dump(
            json.loads(self.config.model_dump_json()), sort_keys=False, allow_unicode=True
        )


def looked_up(runs: tuple[Run, ...], folder: Path) -> tuple[Run, ...]:
    """The runs with their states, and with those whose training is the same."""
    folders = {run.base_id: run.base_folder for run in runs}
    bases = {base_id: each.record() is not None for base_id, each in folders.items()}
    known = [replace(run, state=_state(run.folder, base_there=bases[run.base_id])) for run in runs]
    if all(run.finished for run in known):
        return tuple(known)
    past: dict[tuple[str, ...], list[Record]] = {}
    for _, record in records(folder):
        past.setdefault(kind(record.config), []).append(record)
    corrections = {name: correction(each) for name, each in past.items()}
    trained: dict[str, dict[str, RunFolder]] = {}
    for path in folder.glob("*/trained.json"):
        run_folder = RunFolder(path.parent)
        if told := run_folder.training():
            trained.setdefault(told.train_id, {})[run_folder.id] = run_folder
    for run in known:
        trained.setdefault(run.train_id, {})[run.id] = run.folder
    return tuple(
        replace(
            run,
            twins=_others(trained[run.train_id], run),
            estimate=corrections.get(kind(run.config.model_dump()), Correction()).of(run.guess),
        )
        for run in known
    )


def _others(folders: Mapping[str, RunFolder], run: Run) -> tuple[RunFolder, ...]:
    return tuple(folder for folder in folders.values() if folder.id != run.id)


def _state(folder: RunFolder, *, base_there: bool) -> RunState:
    if folder.record() is not None:
        return "finished" if base_there else "resumable"
    if (told := folder.state) is None:
        return "new"
    if told == "pruned":
        return "new"  # nothing is left of it
    return "failed" if told == "failed" else "resumable"


def chosen(runs: Sequence[Run], sweep: SweepConfig) -> list[Run]:
    """The unfinished runs that ``sweep.only`` and ``sweep.limit`` leave.

    Raises:
        UserError: if ``sweep.only`` names what is not there.
    """
    left = [run for run in runs if not run.finished]
    if sweep.only is not None:
        for name in sweep.only:
            if name not in get_args(RunState) and not any(run.id.startswith(name) for run in runs):
                raise UserError(
                    f"sweep.only: {name!r} is neither a run of this sweep nor a state "
                    f"({', '.join(get_args(RunState))}); python -m mtsweep plan lists the runs"
                )
        left = [
            run
            for run in left
            if any(run.state == name or run.id.startswith(name) for name in sweep.only)
        ]
    return left[: sweep.limit]


def sharing(runs: Sequence[Run]) -> list[Run]:
    """The runs with what they take where the first of those with one training does it for all."""
    found, begun = [], set()
    for run in runs:
        there = run.train_id in begun or run.trained is not None
        begun.add(run.train_id)
        found.append(replace(run, estimate=run.estimate.taken_over()) if there else run)
    return found
