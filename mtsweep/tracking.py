"""Mirrors of the record files. An outage of a tracker is told, and never changes a run."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mtsweep.config import TrackingConfig
from mtsweep.record import Record, write

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


@dataclass(frozen=True)
class Identity:
    """What a tracker is told of a run before it starts."""

    id: str
    name: str
    group: str
    tags: tuple[str, ...]
    config: Mapping[str, Any]
    folder: Path


class Tracker(Protocol):
    """A mirror of one run."""

    link: str
    """How to get at what was tracked: an address, or a command; may be empty.

    Known for good after ``finish``: a server that went away leaves the command to sync later.
    """

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Mirror figures after an optimiser step."""

    def finish(self, record: Record | None, samples: Sequence[Mapping[str, str]]) -> None:
        """Mirror the outcome and close; ``record`` is ``None`` if the run failed."""


def mode(config: TrackingConfig) -> str:
    """``online``, ``offline`` or ``none``: what tracking will do, without trying it."""
    if config.name == "none":
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


def open_tracker(config: TrackingConfig, identity: Identity) -> Tracker:
    """The tracker of one run; online if it can be, else offline, else none."""
    chosen = mode(config)
    if chosen == "none":
        return _Nothing()
    for attempt in dict.fromkeys((chosen, "offline")):
        if attempt in _away:
            continue
        try:
            return _Wandb(config, identity, attempt)
        except Exception as error:  # noqa: BLE001 - whatever a mirror does, the run goes on
            log.warning("W&B %s did not start: %s", attempt, error)
            _away.add(attempt)
            _tear_down()  # its service would keep the run id in use
    return _Nothing()


def publish(
    config: TrackingConfig, sweep: Path, table: Sequence[Sequence[str]], files: Sequence[Path]
) -> str:
    """Mirror a sweep that has ended: its comparison as a table, its report as an artifact.

    Args:
        config: Of the sweep's first run.
        sweep: Folder of the sweep.
        table: Heads, then rows.
        files: Files and folders of the report.

    Returns:
        How to get at it: an address, or a command; empty if nothing was mirrored.
    """
    name = sweep.name
    place = sweep.resolve()  # the service of W&B may have been started elsewhere
    told = Identity(_sweep_id(sweep), name, name, ("sweep",), {"sweep": name}, place)
    tracker = open_tracker(config, told)
    if isinstance(tracker, _Wandb):
        tracker.publish(table, files)
    return tracker.link


def _sweep_id(sweep: Path) -> str:
    """The id of a sweep's own run: the same each time, and not that of a namesake elsewhere."""
    kept = sweep / "wandb-id.txt"
    if not kept.is_file():
        write(kept, f"sweep-{sweep.name[:48]}-{secrets.token_hex(4)}\n")
    return kept.read_text(encoding="utf-8").strip()


_away: set[str] = set()
"""Modes that failed in this process: an outage is waited for once, not once a run."""


def _tear_down() -> None:
    import wandb

    with _forgiven("teardown"):
        wandb.teardown()


class _Nothing:
    link = ""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Nothing to mirror to."""

    def finish(self, record: Record | None, samples: Sequence[Mapping[str, str]]) -> None:
        """Nothing to close."""


class _Wandb:
    def __init__(self, config: TrackingConfig, identity: Identity, mode: str) -> None:
        import wandb

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
        self.run.define_metric("step")
        self.run.define_metric("*", step_metric="step")

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        with _forgiven("log"):
            self.run.log({"step": step, **metrics})

    def finish(self, record: Record | None, samples: Sequence[Mapping[str, str]]) -> None:
        if record is not None:
            with _forgiven("summary"):
                self._summarise(record, samples)
        with _forgiven("finish"):
            self._close(exit_code=0 if record is not None else 1)

    def publish(self, table: Sequence[Sequence[str]], files: Sequence[Path]) -> None:
        """Mirror a comparison and its report, and close."""
        import wandb

        heads: list[Any] = list(table[0])
        rows: list[Any] = [list(row) for row in table[1:]]
        with _forgiven("report"):
            self.run.log({"comparison": wandb.Table(columns=heads, data=rows)})
            report = wandb.Artifact(f"report-{self.run.id}", type="report")
            for path in files:
                for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                    report.add_file(str(file), name=str(file.relative_to(path.parent)))
            self.run.log_artifact(report)
        with _forgiven("finish"):
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
        import wandb

        if samples:
            columns: list[Any] = list(samples[0])
            rows: list[Any] = [list(sample.values()) for sample in samples]
            self.run.log({"samples": wandb.Table(columns=columns, data=rows)})
        for name, score in record.scores.items():
            base = record.base_scores.get(name)
            self.run.summary[name] = score.value
            self.run.summary[f"{name}_low"] = score.low
            self.run.summary[f"{name}_high"] = score.high
            self.run.summary[f"{name}_signature"] = score.signature
            if base is not None:
                self.run.summary[f"base_{name}"] = base.value
        self.run.summary.update(record.degeneration.model_dump())
        self.run.summary.update(record.cost.model_dump())


@contextlib.contextmanager
def _forgiven(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever a mirror does, the run goes on
        log.warning("W&B %s: %s", what, error)
