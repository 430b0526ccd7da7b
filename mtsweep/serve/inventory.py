"""What runs there are and what they take on the disk; without torch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from filelock import Timeout

from mtsweep.config import tuning
from mtsweep.errors import UserError
from mtsweep.lock import Lock
from mtsweep.record import Record, RunFolder

_WEIGHTS = ("adapter", "model")


@dataclass(frozen=True)
class Entry:
    """A run folder as it stands."""

    folder: RunFolder
    state: str
    """As the run says; ``interrupted`` too where it says running and nobody works on it;
    ``unreadable`` where its record is of another version."""
    record: Record | None
    config: Mapping[str, Any]
    parts: Mapping[str, int]
    """Bytes by file or folder at the top of the run folder."""

    @property
    def bytes(self) -> int:
        """All that it takes on the disk."""
        return sum(self.parts.values())

    @property
    def weights(self) -> int:
        """Bytes of what was trained."""
        return sum(self.parts.get(name, 0) for name in _WEIGHTS)

    @property
    def label(self) -> str:
        """Model, data and tuning in a phrase."""
        config = self.config
        model, data, lora = (config.get(key) or {} for key in ("model", "data", "lora"))
        size = f" {data['size']}" if data.get("size") else ""
        languages = f"{data.get('source_lang', '?')[:3]}-{data.get('target_lang', '?')[:3]}"
        tuning = f"{_tuning(lora)}, lr={(config.get('trainer') or {}).get('learning_rate', '?')}"
        if self.record and self.record.kind == "base":
            tuning = "untouched"
        return f"{model.get('name', '?')}, {data.get('name', '?')}{size} {languages}, {tuning}"


def _tuning(lora: Mapping[str, Any]) -> str:
    name = tuning(lora)
    return "all weights" if name == "full" else f"{name} r={lora.get('r', '?')}"


def entries(output: Path) -> list[Entry]:
    """Every run folder under ``output/runs``, the newest last."""
    found = (output / "runs").glob("*/config.yaml")
    ordered = sorted(found, key=lambda path: (path.stat().st_mtime, path))
    return [entry(RunFolder(path.parent)) for path in ordered]


def entry(folder: RunFolder) -> Entry:
    """A run folder as it stands now."""
    try:
        record, state = folder.record(), folder.state or "unknown"
    except UserError:
        record, state = None, "unreadable"
    if record is not None:
        state = "finished"
    elif state == "running" and not _busy(folder):
        state = "interrupted"
    config = record.config if record else _config(folder)
    return Entry(folder, state, record, config, _parts(folder.path))


def reason(folder: RunFolder) -> str:
    """Why a run failed, by its own account; empty if it did not."""
    try:
        return json.loads((folder.path / "status.json").read_text(encoding="utf-8"))["reason"]
    except (OSError, ValueError, KeyError):
        return ""


def sweeps_with(run_id: str, output: Path) -> list[str]:
    """Names of the sweeps that a run belongs to."""
    names = []
    for path in sorted(output.glob("sweeps/*/sweep.yaml")):
        try:
            told = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError):
            continue
        if isinstance(told, dict) and run_id in (told.get("runs") or []):
            names.append(path.parent.name)
    return names


def dependants(leaving: Sequence[Entry], known: Sequence[Entry]) -> list[Entry]:
    """Finished runs that have no weights of their own and would lose those that they share."""
    gone = {each.folder.id for each in leaving}
    lost = {each.record.train_id for each in leaving if each.record and each.weights}
    kept = {
        each.record.train_id
        for each in known
        if each.record and each.weights and each.folder.id not in gone
    }
    return [
        each
        for each in known
        if each.record
        and each.record.kind == "run"
        and each.folder.id not in gone
        and each.record.train_id in lost - kept
    ]


def remove(folder: RunFolder) -> None:
    """Remove a run and all that it left; broken off, it leaves an unfinished run.

    Raises:
        UserError: if somebody works on it.
    """
    with _held(folder):
        (folder.path / "record.json").unlink(missing_ok=True)
        shutil.rmtree(folder.path)


def drop_weights(folder: RunFolder) -> None:
    """Remove what a finished run trained; its record, predictions and figures stay.

    Raises:
        UserError: if it has not finished, or somebody works on it.
    """
    if folder.record() is None:
        raise UserError(f"{folder.id}: has not finished; `runs remove` removes it whole")
    with _held(folder):
        (folder.path / "trained.json").unlink(missing_ok=True)
        for name in _WEIGHTS:
            if (folder.path / name).is_dir():
                shutil.rmtree(folder.path / name)


def _held(folder: RunFolder) -> Lock:
    try:
        return folder.lock().acquire(blocking=False)
    except Timeout as error:
        raise UserError(f"{folder.id}: is being worked on; stop its sweep first") from error


def _busy(folder: RunFolder) -> bool:
    try:
        with folder.lock().acquire(blocking=False):
            return False
    except (Timeout, OSError):
        return True


def _config(folder: RunFolder) -> Mapping[str, Any]:
    try:
        told = yaml.safe_load((folder.path / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return told if isinstance(told, dict) else {}


def _parts(folder: Path) -> dict[str, int]:
    return {path.name: _size(path) for path in sorted(folder.iterdir())}


def _size(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(each.lstat().st_size for each in files if each.is_file() or each.is_symlink())
