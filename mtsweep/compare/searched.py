"""What a search left in its sweep's folder: its trials by the dev set, and what that chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtsweep.errors import UserError


@dataclass(frozen=True)
class Ranked:
    """A trial, and what the dev set says of it."""

    setting: str
    """As overrides."""
    state: str
    """Finished, pruned or failed."""
    value: float | None = None
    """Of the metric, the mean over its seeds; of finished trials alone."""
    reason: str = ""
    runs: tuple[str, ...] = ()
    """Ids."""


@dataclass(frozen=True)
class Searched:
    """What a search came to."""

    metric: str
    """What the dev set judged by."""
    chosen: tuple[str, ...]
    """Ids of the runs of the best trial; none where no trial finished."""
    trials: tuple[Ranked, ...]
    """The best first, then those that were pruned or failed."""

    def kept(self) -> dict[str, Any]:
        """As plain values, for ``sweep.yaml``."""
        trials = [
            {
                "setting": each.setting,
                "state": each.state,
                "value": each.value,
                "reason": each.reason,
                "runs": [*each.runs],
            }
            for each in self.trials
        ]
        return {"metric": self.metric, "chosen": [*self.chosen], "trials": trials}


def searched(folder: Path, told: Mapping[str, Any]) -> Searched | None:
    """What a search left; ``None`` of a sweep that was none.

    Args:
        folder: Of the sweep, for complaints.
        told: What its ``sweep.yaml`` holds.

    Raises:
        UserError: if it has not come to its end, or no trial of it finished.
    """
    found = told.get("search")
    if found is None:
        return None
    if not found:
        again = told.get("command", "")
        raise UserError(f"{folder}: this search has not come to its end; to go on: {again}")
    chosen = tuple(map(str, found.get("chosen") or ()))
    if not chosen:
        raise UserError(f"{folder}: no trial of this search has finished")
    trials = tuple(_ranked(found.get("trials") or ()))
    return Searched(str(found.get("metric", "")), chosen, trials)


def _ranked(trials: Sequence[Mapping[str, Any]]) -> list[Ranked]:
    return [Ranked(**{**each, "runs": tuple(each["runs"])}) for each in trials]
