"""Mirrors of the record files. An outage of a tracker is told, and never changes a run."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtsweep.config import TrackingConfig
from mtsweep.record import Record, write
from mtsweep.tracking import local, weights_biases
from mtsweep.tracking.mirror import Identity, Outcome, Tracker, figures

__all__ = ["Identity", "Mirrors", "Outcome", "Tracker", "check", "figures", "open_trackers",
           "publish", "told"]  # fmt: skip

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mirrors:
    """The trackers of one run; what becomes of one is nothing to the others."""

    trackers: tuple[Tracker, ...]

    @property
    def links(self) -> list[str]:
        """How to get at what was tracked."""
        return [each.link for each in self.trackers if each.link]

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Mirror figures after an optimiser step."""
        for each in self.trackers:
            each.log(step, metrics)

    def finish(self, record: Record | None, samples: Sequence[Mapping[str, str]]) -> None:
        """Mirror the outcome and close; ``record`` is ``None`` if the run failed."""
        for each in self.trackers:
            each.finish(record, samples)


def check(config: TrackingConfig) -> None:
    """Say what a tracker lacks, before anything is loaded.

    Raises:
        MissingExtraError: if its package is not installed.
    """
    if config.trackio.use:
        local.check()


def told(config: TrackingConfig) -> str:
    """What tracking will do, in words, without trying it."""
    mode = weights_biases.mode(config.wandb)
    names = [f"W&B {mode}"] if mode != "none" else []
    names += ["Trackio"] if config.trackio.use else []
    return " and ".join(names) or "none"


def open_trackers(config: TrackingConfig, identity: Identity) -> Mirrors:
    """The trackers of one run, as far as they start; W&B online if it can be, else offline."""
    opened: list[Tracker | None] = [weights_biases.open_tracker(config.wandb, identity)]
    if config.trackio.use:
        opened.append(_started("Trackio", lambda: local.LocalTracker(config.trackio, identity)))
    return Mirrors(tuple(each for each in opened if each is not None))


def _started(name: str, start: Callable[[], Tracker]) -> Tracker | None:
    try:
        return start()
    except Exception as error:  # noqa: BLE001 - whatever a mirror does, the run goes on
        log.warning("%s did not start: %s", name, error)
        return None


def publish(config: TrackingConfig, sweep: Path, outcome: Outcome) -> list[str]:
    """Mirror a sweep that has ended, in a run of its own.

    Args:
        config: Of the sweep's first run.
        sweep: Folder of the sweep.
        outcome: Its comparison and report.

    Returns:
        How to get at it: addresses or commands.
    """
    name = sweep.name
    place = sweep.resolve()  # the service of W&B may have been started elsewhere
    told = Identity(_sweep_id(sweep), name, name, ("sweep",), {"sweep": name}, place)
    mirrors = open_trackers(config, told)
    for tracker in mirrors.trackers:
        tracker.publish(outcome)
    return mirrors.links


def _sweep_id(sweep: Path) -> str:
    """The id of a sweep's own run: the same each time, and not that of a namesake elsewhere."""
    kept = sweep / "wandb-id.txt"
    if not kept.is_file():
        write(kept, f"sweep-{sweep.name[:48]}-{secrets.token_hex(4)}\n")
    return kept.read_text(encoding="utf-8").strip()
