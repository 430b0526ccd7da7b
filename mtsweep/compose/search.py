"""A search as it was asked for: each of its points becomes runs when it is tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtsweep.compose.complaints import hydra_errors
from mtsweep.compose.jobs import Job, validated
from mtsweep.space import Point, Space, shown


@dataclass(frozen=True)
class Search:
    """A search as it was asked for."""

    space: Space
    _composed: Callable[[Sequence[str]], dict[str, Any]]
    _options: Mapping[str, Any]
    """What the launcher of its runs is told."""

    def jobs(self, point: Point) -> list[Job]:
        """The runs of a point: one, or one a seed.

        Raises:
            ConfigError: for every problem of it.
        """
        chosen = [f"{key}={value}" for key, value in point.items()]
        # An override named twice is Hydra's last one.
        fixed = [text for text in self.space.fixed if text.partition("=")[0] not in point]
        overrides = [[*fixed, *chosen, seed] for seed in self.space.seeds] or [[*fixed, *chosen]]
        setting = self.space.named(point)
        told = [
            ", ".join(filter(None, (setting, shown(seed)))) for seed in self.space.seeds or [""]
        ]
        with hydra_errors():
            return validated(
                [_judged(self._composed(own)) for own in overrides], told, self._options
            )


def _judged(values: dict[str, Any]) -> dict[str, Any]:
    """The values of a search's run, with what it is compared by: the step is chosen by it too."""
    sweep, trainer = values.get("sweep") or {}, values.get("trainer") or {}
    usual = "eval_loss" if (values.get("data") or {}).get("form") == "chat" else "chrf"
    chosen = trainer.get("metric_for_best_model") or sweep.get("metric") or usual
    told = {**sweep, "metric": sweep.get("metric") or chosen}
    return {**values, "sweep": told, "trainer": {**trainer, "metric_for_best_model": chosen}}
