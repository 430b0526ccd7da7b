"""Weights & Biases: online if it can be, else offline."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Mapping, Sequence
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtsweep.config import WandbConfig
from mtsweep.record import Record
from mtsweep.tracking.mirror import Identity, Outcome, figures, forgiven

if TYPE_CHECKING:
    import wandb

log = logging.getLogger(__name__)

_HOSTS = ("api.wandb.ai", "api.forge.coreweave.com")
"""Where W&B's own client looks, in its older and newer versions, unless WANDB_BASE_URL says so."""

_INIT_SECONDS = 20
"""For a server to answer."""
_LOCAL_SECONDS = 120
"""For W&B's own process on this machine: on a busy one it starts slowly, and no server can help."""
_FINISH_SECONDS = 30


def mode(config: WandbConfig) -> str:
    """``online``, ``offline`` or ``none``: what tracking will do, without trying it."""
    if not config.use:
        return "none"
    wanted = os.environ.get("WANDB_MODE", config.mode) if config.mode == "auto" else config.mode
    if wanted in {"disabled", "dryrun"}:
        return "none" if wanted == "disabled" else "offline"
    if wanted != "auto":
        return wanted
    return "online" if _has_key() else "offline"


def _has_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    own = os.environ.get("WANDB_BASE_URL", "").split("://")[-1].split("/")[0].partition(":")[0]
    with contextlib.suppress(OSError, NetrcParseError):
        hosts = netrc(os.environ.get("NETRC")).hosts
        return own in hosts if own else any(host in hosts for host in _HOSTS)
    return False


def open_tracker(config: WandbConfig, identity: Identity) -> WandbTracker | None:
    """The tracker of one run; online if it can be, else offline, else none."""
    chosen = mode(config)
    if chosen == "none":
        return None
    for attempt in dict.fromkeys((chosen, "offline")):
        if attempt in _away:
            continue
        try:
            return WandbTracker(config, identity, attempt)
        except Exception as error:  # noqa: BLE001 - whatever a mirror does, the run goes on
            log.warning("W&B %s did not start: %s", attempt, error)
            _away.add(attempt)
            _tear_down()  # its service would keep the run id in use
    return None


_away: set[str] = set()
"""Modes that failed in this process: an outage is waited for once, not once a run."""


def _tear_down() -> None:
    import wandb

    with forgiven("W&B", "teardown"):
        wandb.teardown()


class WandbTracker:
    """One run of W&B."""

    def __init__(self, config: WandbConfig, identity: Identity, mode: str) -> None:
        import wandb

        _spare_launch()
        self.run: wandb.Run = wandb.init(
            project=config.project,
            entity=config.entity,
            dir=identity.folder,
            id=identity.id,
            name=identity.name,
            group=identity.group,
            tags=list(identity.tags),
            config=dict(identity.config),
            mode="online" if mode == "online" else "offline",
            resume="allow" if mode == "online" else None,
            settings=wandb.Settings(
                silent=True,
                console="off",
                init_timeout=_INIT_SECONDS if mode == "online" else _LOCAL_SECONDS,
                finish_timeout=_FINISH_SECONDS,
                finish_timeout_raises=True,
                save_code=False,
                x_disable_meta=True,
                x_save_requirements=False,  # half a second a run; records have the versions
                host="hidden",
                x_disable_stats=True,
            ),
        )
        folder = Path(self.run.dir).parent
        self._later = f"wandb sync {folder}"
        self.link = str(self.run.url) if mode == "online" else self._later
        # A run that goes on replays what it keeps; the server has that already.
        goes_on = self.run.resumed and (identity.folder / "metrics.jsonl").exists()
        there = self.run.summary.get("step") if goes_on else None
        self._there = int(there) if isinstance(there, int | float) else -1
        self.run.define_metric("step")
        self.run.define_metric("*", step_metric="step")

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Mirror figures after an optimiser step."""
        if step <= self._there:
            return
        with forgiven("W&B", "log"):
            self.run.log({"step": step, **metrics})

    def finish(self, record: Record | None, samples: Sequence[Mapping[str, str]]) -> None:
        """Mirror the outcome and close; ``record`` is ``None`` if the run failed."""
        if record is not None:
            with forgiven("W&B", "summary"):
                self._summarise(record, samples)
        with forgiven("W&B", "finish"):
            self._close(exit_code=0 if record is not None else 1)

    def publish(self, outcome: Outcome) -> None:
        """Mirror what a sweep came to, and close."""
        import wandb

        with forgiven("W&B", "report"):
            self.run.log({"comparison": _table(outcome.rows())})
            self.run.summary["judgement"] = "\n".join(outcome.judgement)
            report = wandb.Artifact(f"report-{self.run.id}", type="report")
            for path in outcome.files:
                for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                    report.add_file(str(file), name=str(file.relative_to(path.parent)))
            self.run.log_artifact(report)
        with forgiven("W&B", "finish"):
            self._close(exit_code=0)

    def _close(self, exit_code: int) -> None:
        """Wait until all of it is on the server, but not for ever: it is on the disk too."""
        try:
            self.run.finish(exit_code=exit_code)
        except Exception:
            self.link = self._later
            _away.add("online")
            raise

    def _summarise(self, record: Record, samples: Sequence[Mapping[str, str]]) -> None:
        if samples:
            self.run.log({"samples": _table(samples)})
        for about, values in figures(record).items():
            prefix = f"{about}/" if "/" in about else ""
            self.run.summary.update({f"{prefix}{name}": each for name, each in values.items()})


@functools.cache
def _spare_launch() -> None:
    """Spare ``init`` the import of W&B Launch, which takes longer than the rest of W&B.

    Each run looks there for inputs that this process staged for it, and none stages any.
    """
    import wandb

    wandb.Run._detect_and_apply_job_inputs = lambda _: None  # type: ignore[method-assign]


def _table(rows: Sequence[Mapping[str, Any]]) -> wandb.Table:
    import wandb

    heads: list[Any] = list(rows[0])
    return wandb.Table(columns=heads, data=[list(row.values()) for row in rows])
