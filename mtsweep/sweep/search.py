"""A search as a source of runs: proposals become runs, what the dev set says of them comes back.

There are no batches: whoever has nothing to do gets the next proposal, made from what is known by
then. Everything that lasts is in the study and in the records; a search that was killed is gone on
with from these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice
from statistics import fmean

from mtsweep.errors import MtsweepError
from mtsweep.plan import Group, Plan, Run
from mtsweep.scores import LABELS, direction
from mtsweep.space import Point
from mtsweep.sweep.study import Study, Trial

Make = Callable[[Point], Plan]
"""From a point to its runs."""

_REPEATS = 8
"""Proposals of points that were there already, one after the other, before one is drawn."""
_LARGEST = 100_000
"""Points of a space that is looked through for one that was not there."""


@dataclass(eq=False)
class _Open:
    """A trial under way."""

    trial: Trial
    plan: Plan
    values: dict[str, float] = field(default_factory=dict)
    """Run id to what the dev set says."""
    later: tuple[Group, ...] = ()
    """Its further seeds, while the first one may still be pruned."""


class Search:
    """Gives the runs of a study's trials, until there are as many as are wanted.

    Args:
        study: Of the search.
        make: Makes the runs of a point.
        trials: To be made in all.
        metric: What trials are compared by.
        at_once: Trials under way at a time, at most; ``None`` leaves that to the hands.
    """

    def __init__(
        self, study: Study, make: Make, trials: int, metric: str, at_once: int | None = None
    ) -> None:
        self.study = study
        self.make = make
        self.wanted = trials
        self.metric = metric
        self.at_once = math.inf if at_once is None else at_once
        self.say: Callable[[str], None] = lambda _: None
        """Gets a line about what is worth one."""
        self.seen = {_key(each.point): each for each in study.trials()}
        self.under_way: list[_Open] = []
        self.left: list[Trial] = []
        """Trials of a command that ended before they did."""
        self.adopted: list[Trial] = []
        self.ready: list[Group] = []
        """Seeds whose first one came through."""
        self.exhausted = False
        self.best: Trial | None = None
        for each in study.trials():
            self._take_up(each)
        self.count = len(study.trials())

    def _take_up(self, trial: Trial) -> None:
        """Go on with what an earlier command left."""
        if trial.state == "open" and trial.point:
            self.left.append(trial)
            self.adopted.append(trial)
        elif trial.state == "open":  # it died while it asked
            self.study.drop(trial)
        elif trial.state == "failed":
            self.study.drop(trial)
            self.seen.pop(_key(trial.point), None)
            self.study.propose(trial.point)
        elif trial.state == "finished" and self._better(trial):
            self.best = trial

    @property
    def open(self) -> bool:
        """Whether a trial is under way, or may be begun."""
        return bool(self.under_way or self.left) or not self._enough()

    def _enough(self) -> bool:
        return self.exhausted or self.count >= self.wanted

    def more(self, hands: int) -> Sequence[Group]:
        """The runs of as many trials as hands have nothing to do."""
        given, self.ready = self.ready, []
        while sum(len(group.runs) for group in given) < hands and self._room():
            if (trial := self._next()) is None:
                break
            given.extend(self._begin(trial))
        return given

    def _room(self) -> bool:
        return len(self.under_way) < self.at_once

    def _next(self) -> Trial | None:
        if self.left:
            return self.left.pop(0)
        repeats = 0
        while not self._enough():
            trial = self.study.ask()
            if _key(trial.point) not in self.seen:
                self.seen[_key(trial.point)] = trial
                self.count += 1
                return trial
            self.study.drop(trial)
            repeats += 1
            if repeats >= _REPEATS and not self._propose_another():
                self.exhausted = True
                self.say("every setting of the space has been tried")
        return None

    def _propose_another(self) -> bool:
        """Propose the first point that was not there; says whether there is one."""
        if self.study.space.size > _LARGEST:
            return True
        fresh = (each for each in self.study.space.points() if _key(each) not in self.seen)
        point = next(islice(fresh, 1), None)
        if point is not None:
            self.study.propose(point)
        return point is not None

    def _begin(self, trial: Trial) -> Sequence[Group]:
        """Make the runs of a trial; gives those that are to be done."""
        try:
            plan = self.make(trial.point)
        except MtsweepError as error:
            self._fail(trial, " ".join(str(error).split()))
            return ()
        self.study.note(trial, [run.id for run in plan.runs])
        begun = _Open(trial, plan)
        self.under_way.append(begun)
        first = plan.runs[0]
        if trial in self.adopted and first.folder.state == "pruned":
            self.pruned(first, first.folder.reason)
            return ()
        groups = plan.groups
        if self.study.pruning and not first.finished and len(plan.runs) > 1:
            begun.later = _part(groups, {run.id for run in plan.runs} - {first.id})
            groups = _part(groups, {first.id})
        for run in plan.runs:
            if run.finished:
                self._value(begun, run)
        return groups

    def finished(self, run: Run) -> None:
        """A run has its record; a trial is through with the last of its runs."""
        for begun in self._of(run):
            self._value(begun, run)

    def watched(self, run: Run) -> bool:
        """Whether a run may be pruned: the first of its trial, where anything prunes."""
        first = {begun.plan.runs[0].id for begun in self.under_way}
        return self.study.pruning is not None and run.id in first

    def looked(self, run: Run, step: int, value: float) -> bool:
        """Whether a run is worth going on with; of two trials that come to it one suffices."""
        verdicts = [self.study.look(begun.trial, step, value) for begun in self._of(run)]
        return any(verdicts) or not verdicts

    def pruned(self, run: Run, reason: str) -> None:
        """A run ended after a verdict, and its trial with it."""
        for begun in self._of(run):
            self.under_way.remove(begun)
            self.study.prune(begun.trial, reason)
            self.say(f"trial {begun.trial.number}: pruned {reason}")

    def _of(self, run: Run) -> list[_Open]:
        """The trials under way that a run belongs to: two points may come to the same."""
        return [each for each in self.under_way if any(run.id == own.id for own in each.plan.runs)]

    def _value(self, begun: _Open, run: Run) -> None:
        value = dev_value(run, self.metric)
        if value is None or not math.isfinite(value):
            self.under_way.remove(begun)
            self._fail(begun.trial, f"{run.id}: its record has no {self.metric} of the dev set")
            return
        begun.values[run.id] = value
        self.ready.extend(begun.later)
        begun.later = ()
        if len(begun.values) == len(begun.plan.runs):
            self.under_way.remove(begun)
            self._finish(begun.trial, fmean(begun.values.values()))

    def failed(self, run: Run, reason: str) -> None:
        """A run was given up, and its trial with it."""
        for begun in self._of(run):
            self.under_way.remove(begun)
            self._fail(begun.trial, reason)

    def _finish(self, trial: Trial, value: float) -> None:
        self.study.finish(trial, value)
        done = Trial(trial.number, trial.point, "finished", value)
        if self._better(done):
            self.best = done
        if self.best is not None and self.best.value is not None:
            self.say(
                f"trial {trial.number}: dev {LABELS.get(self.metric)} {value:.4g} (best "
                f"{self.best.value:.4g}, trial {self.best.number})"
            )

    def _fail(self, trial: Trial, reason: str) -> None:
        self.study.fail(trial, reason)
        self.say(f"trial {trial.number} failed: {reason}")

    def _better(self, trial: Trial) -> bool:
        if self.best is None or self.best.value is None or trial.value is None:
            return trial.value is not None
        sign = -1 if direction(self.metric) == "lower" else 1
        return sign * (trial.value - self.best.value) > 0


def _part(groups: Sequence[Group], run_ids: Collection[str]) -> tuple[Group, ...]:
    """The part of some groups that are the runs named."""
    parts = [
        Group(tuple(run for run in group.runs if run.id in run_ids), group.base) for group in groups
    ]
    return tuple(part for part in parts if part.runs)


def dev_value(run: Run, metric: str) -> float | None:
    """What the dev set says of a finished run: of the weights that were kept."""
    record = run.folder.record()
    if record is None or record.chosen.get("metric") != metric:
        return None
    return float(record.chosen["value"])


def _key(point: Point) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(point.items()))
