"""Trackio: a dashboard on this machine, without an account and without a server.

Rows go straight into Trackio's own storage. Its ``init`` would ask the hub who owns a token, print,
and give the run an id of its own; a run here is known by ours.
"""

from __future__ import annotations

import datetime
import importlib.util
import os
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtsweep.config import TrackioConfig
from mtsweep.errors import MissingExtraError
from mtsweep.record import Record
from mtsweep.tracking.mirror import Identity, Outcome, figures, forgiven

_NAME = "Trackio"
_FLUSH_SECONDS = 5.0
"""How long rows may wait; what a killed process had not written is replayed when it goes on."""
_OUTAGE_SECONDS = 60.0
"""Before another try, after storage that was locked or full."""


def check() -> None:
    """Say that the package is missing, before anything is loaded.

    Raises:
        MissingExtraError: if it is.
    """
    if importlib.util.find_spec("trackio") is None:
        raise MissingExtraError("tracking=trackio", "trackio", "trackio")


class LocalTracker:
    """One run in Trackio's storage.

    Args:
        config: Names the project.
        identity: Of the run. A folder with ``metrics.jsonl`` is that of a run that goes on, whose
            earlier rows stay.
    """

    def __init__(self, config: TrackioConfig, identity: Identity) -> None:
        # Read by Trackio when it is imported, and not again.
        os.environ.setdefault("TRACKIO_DIR", str((identity.output / "trackio").resolve()))
        from trackio import fragments, utils
        from trackio.sqlite_storage import SQLiteStorage

        self.project = config.project
        self.identity = identity
        self.storage = SQLiteStorage
        self.link = command(Path(utils.TRACKIO_DIR), config.project)
        self.config: dict[str, Any] = {
            **_flat(identity.config),
            "tags": ", ".join(identity.tags),
            "_Group": identity.group,
            "_Created": datetime.datetime.now(datetime.UTC).isoformat(),
        }
        self.last = 0
        self._waiting: list[tuple[int, dict[str, Any]]] = []
        self._next = time.monotonic() + _FLUSH_SECONDS
        # On a network file system SQLite is not safe, and Trackio takes files in instead.
        self._files = fragments.FragmentWriter() if utils.get_storage_mode() == "jsonl" else None
        if self._files is None and not (identity.folder / "metrics.jsonl").exists():
            # It begins anew: what an earlier start left is taken out.
            self.storage.delete_run(self.project, identity.name, run_id=identity.id)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Mirror figures after an optimiser step."""
        self.last = max(self.last, step)
        told = {name if _leads(name) else f"more/{name}": each for name, each in metrics.items()}
        self._waiting.append((step, told))
        if time.monotonic() >= self._next:
            self._flush("log")

    def finish(self, record: Record | None, samples: Sequence[Mapping[str, str]]) -> None:
        """Mirror the outcome and close; ``record`` is ``None`` if the run failed."""
        if record is not None:
            with forgiven(_NAME, "summary"):
                self._waiting.append((self.last, self._summary(record, samples)))
        self._flush("finish")

    def _summary(self, record: Record, samples: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        told: dict[str, Any] = {"samples": _table(samples)} if samples else {}
        for about, values in figures(record).items():
            for name, value in values.items():
                if isinstance(value, str):  # signatures: the dashboard draws numbers alone
                    self.config[f"{about}.{name}"] = value
                elif value is not None and (place := _place(about, name)):
                    told[place] = value
        return told

    def publish(self, outcome: Outcome) -> None:
        """Mirror what a sweep came to, and close."""
        with forgiven(_NAME, "report"):
            from trackio import Markdown

            told: dict[str, Any] = {"comparison": _table(outcome.rows())}
            if outcome.judgement:
                text = "\n\n".join(outcome.judgement)
                told["judgement"] = {"_type": Markdown.TYPE, "_value": text}
            self._waiting.append((0, told))
        self._flush("report")

    def _flush(self, what: str) -> None:
        """Store what waits; where that fails, it waits on, and a run is not held up again soon."""
        self._next = time.monotonic() + _OUTAGE_SECONDS
        with forgiven(_NAME, what):
            self._write(self._waiting)
            self._waiting = []
            self._next = time.monotonic() + _FLUSH_SECONDS

    def _write(self, rows: Sequence[tuple[int, dict[str, Any]]]) -> None:
        """Store rows; one that is there already (a run that goes on) stays as it is."""
        if not rows:
            return
        told = self.identity
        ids = [f"{told.id}:{step}:{'+'.join(sorted(row))}" for step, row in rows]
        if self._files is not None:
            now = datetime.datetime.now(datetime.UTC).isoformat()
            shared = {"v": 1, "kind": "metric", "project": self.project, "run": told.name,
                      "run_id": told.id, "timestamp": now, "config": self.config}  # fmt: skip
            self._files.write_local(
                [
                    {**shared, "metrics": row, "step": step, "log_id": log_id}
                    for (step, row), log_id in zip(rows, ids, strict=True)
                ]
            )
            return
        self.storage.bulk_log(
            project=self.project, run=told.name, run_id=told.id, config=self.config,
            metrics_list=[row for _, row in rows], steps=[step for step, _ in rows], log_ids=ids,
        )  # fmt: skip


def command(folder: Path, project: str) -> str:
    """The line that opens the dashboard."""
    return f"TRACKIO_DIR={shlex.quote(str(folder))} trackio show --project {shlex.quote(project)}"


def _leads(name: str) -> bool:
    """Whether a figure is among what one looks at; the others stand in a section of their own."""
    return name in {"loss", "eval_loss", "learning_rate"} or name.startswith("dev_")


def _place(about: str, name: str) -> str | None:
    """Section and name of a chart; of parts and further test sets there would be too many."""
    if name.endswith(("_low", "_high")):
        return f"interval/{name}" if about == "test" else None
    return name if about == "test" else f"{about}/{name}"


def _table(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    from trackio import Table

    return {"_type": Table.TYPE, "_value": [dict(row) for row in rows]}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys to values, by which the dashboard groups runs."""
    told: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            told |= _flat(value, f"{prefix}{key}.")
        else:
            told[f"{prefix}{key}"] = value
    return told
