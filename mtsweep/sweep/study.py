"""The memory of a search: Optuna's study, a file in the sweep's folder.

A trial is a point of the space. Each proposal is drawn by a generator of its own, seeded by
``sweep.seed`` and the trial's number: a search that was interrupted proposes what it would have
proposed, given the same results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mtsweep.errors import MissingExtraError, UserError
from mtsweep.scores import direction
from mtsweep.space import Choice, Dimension, Point, Space, shown

if TYPE_CHECKING:
    import optuna

FILE = "study.db"
_NAME = "search"
_SPACE = "space"
_POINT = "point"
_DROPPED = "dropped"
_REASON = "reason"
_RUNS = "runs"
_FIRST = "first look"
_STRIDE = 1_000_003

Pruning = tuple[Literal["halving", "hyperband"], int]
"""Kind, and how many of which one goes on."""
State = Literal["open", "finished", "pruned", "failed"]


@dataclass(frozen=True)
class Trial:
    """A point that was proposed, and what became of it."""

    number: int
    point: Point
    state: State
    value: float | None = None
    """What the dev set says: of a finished trial the mean over its seeds."""
    reason: str = ""
    """Why it failed, or where it was pruned."""
    runs: tuple[str, ...] = ()
    """Ids."""


def require() -> None:
    """Say whether Optuna is there.

    Raises:
        MissingExtraError: if it is not.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise MissingExtraError("sweep=optuna", "optuna", "optuna") from error
    optuna.logging.disable_default_handler()  # what is to be told is told by the search


class Study:
    """Proposals and results of one search.

    Args:
        file: Where they are kept; made, if it is not there.
        space: What is proposed from.
        identity: Digest of everything that results depend on; a file of another one is refused.
        metric: What trials are compared by.
        seed: Of the proposals.
        pruning: Who gives trials up, if anybody.

    Raises:
        UserError: if the file holds another search.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a search is
        self,
        file: Path,
        space: Space,
        identity: str,
        metric: str,
        seed: int,
        pruning: Pruning | None = None,
    ) -> None:
        require()
        import optuna

        self.space = space
        self.seed = seed
        self.pruning = pruning
        self.file = file
        ways: dict[str, Literal["minimize", "maximize"]]
        ways = {"lower": "minimize", "higher": "maximize"}
        try:
            self._study = optuna.create_study(
                storage=optuna.storages.RDBStorage(f"sqlite:///{file.absolute()}"),
                study_name=_NAME,
                direction=ways[direction(metric)],
                load_if_exists=True,
            )
            told = self._study.user_attrs.get(_SPACE)
        except Exception as error:
            raise UserError(
                f"{file}: no search that this version reads ({type(error).__name__}); "
                "remove it, or give another sweep.name"
            ) from error
        if told is None:
            self._study.set_user_attr(_SPACE, identity)
        elif told != identity:
            raise UserError(
                f"sweep.name: {file} holds a search of another space, metric, model or data; "
                "give another sweep.name"
            )

    def trials(self) -> list[Trial]:
        """Every trial that counts, by number."""
        dropped = self._dropped()
        return [
            _trial(each)
            for each in self._study.get_trials(deepcopy=False)
            if each.number not in dropped and each.state.name != "WAITING"
        ]

    def ask(self) -> Trial:
        """A new trial."""
        import optuna

        number = len(self._study.get_trials(deepcopy=False))
        self._study.sampler = optuna.samplers.TPESampler(
            # Others may be under way: they count as bad until they are through.
            seed=self.seed * _STRIDE + number, multivariate=True, constant_liar=True,
        )  # fmt: skip
        asked = self._study.ask()
        point = {each.key: _suggested(asked, each) for each in self.space.dimensions}
        asked.set_user_attr(_POINT, point)
        return Trial(asked.number, point, "open")

    def propose(self, point: Point) -> None:
        """Have a point be the next that is asked for."""
        params = {shown(each.key): _parameter(each, point[each.key]) for each in self._dimensions}
        self._study.enqueue_trial(params)

    def note(self, trial: Trial, ids: Sequence[str]) -> None:
        """Keep which runs a trial is."""
        self._handle(trial).set_user_attr(_RUNS, list(ids))

    def finish(self, trial: Trial, value: float) -> None:
        """A trial came to a value."""
        self._study.tell(trial.number, value)

    def look(self, trial: Trial, step: int, value: float) -> bool:
        """Keep what the dev set says of a trial at a step; says whether it is worth going on with.

        A step that was looked at before an interruption is not counted twice.
        """
        import optuna

        if self.pruning is None:
            return True
        handle = self._handle(trial)
        if step not in self._frozen(trial).intermediate_values:
            handle.report(value, step)
        first = self._study.user_attrs.get(_FIRST, step)
        if step <= first:  # rungs are counted from the first look of all
            first = step
            self._study.set_user_attr(_FIRST, first)
        kind, reduction = self.pruning
        if kind == "halving":
            self._study.pruner = optuna.pruners.SuccessiveHalvingPruner(
                min_resource=first, reduction_factor=reduction
            )
        else:
            self._study.pruner = optuna.pruners.HyperbandPruner(
                min_resource=first, reduction_factor=reduction
            )
        return not handle.should_prune()

    def prune(self, trial: Trial, reason: str) -> None:
        """A trial was given up."""
        import optuna

        self._handle(trial).set_user_attr(_REASON, reason)
        self._study.tell(trial.number, state=optuna.trial.TrialState.PRUNED)

    def fail(self, trial: Trial, reason: str) -> None:
        """A trial came to nothing."""
        import optuna

        self._handle(trial).set_user_attr(_REASON, reason)
        self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)

    def drop(self, trial: Trial) -> None:
        """A trial does not count: it was there already, or is taken up again under a new number."""
        import optuna

        self._study.set_user_attr(_DROPPED, sorted({*self._dropped(), trial.number}))
        if trial.state == "open":
            self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)

    def importances(self) -> Mapping[str, float]:
        """Key to its share in what makes trials good (PED-ANOVA); empty where nobody can tell."""
        import optuna

        finished = [each.value for each in self.trials() if each.state == "finished"]
        if len(finished) < ENOUGH or len(set(finished)) < 2 or len(self._dimensions) < 2:
            return {}
        return optuna.importance.get_param_importances(self._study)

    @property
    def _dimensions(self) -> Sequence[Dimension]:
        return self.space.dimensions

    def _dropped(self) -> set[int]:
        return set(self._study.user_attrs.get(_DROPPED, []))

    def _handle(self, trial: Trial) -> optuna.Trial:
        import optuna

        return optuna.Trial(self._study, self._frozen(trial)._trial_id)

    def _frozen(self, trial: Trial) -> optuna.trial.FrozenTrial:
        return self._study.get_trials(deepcopy=False)[trial.number]


ENOUGH = 8
"""Finished trials below which importances are noise."""


def _suggested(trial: optuna.Trial, dimension: Dimension) -> str:
    """A key's value in a trial, in Hydra's spelling."""
    name = shown(dimension.key)
    if isinstance(dimension, Choice):
        return trial.suggest_categorical(name, dimension.values)
    low, high, step, log = dimension.low, dimension.high, dimension.step, dimension.log
    if dimension.whole:
        return dimension.text(
            trial.suggest_int(name, round(low), round(high), step=round(step or 1), log=log)
        )
    return dimension.text(trial.suggest_float(name, low, high, step=step, log=log))


def _parameter(dimension: Dimension, text: str) -> str | float:
    if isinstance(dimension, Choice):
        return text
    return int(text) if dimension.whole else float(text)


_STATES: Mapping[str, State] = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}


def _trial(frozen: optuna.trial.FrozenTrial) -> Trial:
    told = frozen.user_attrs
    return Trial(
        frozen.number,
        told.get(_POINT, {}),
        _STATES.get(frozen.state.name, "open"),
        frozen.value,
        told.get(_REASON, ""),
        tuple(told.get(_RUNS, ())),
    )
