"""Checkpoints that are resumed only when they are whole.

HF writes a checkpoint in place and trusts the one with the highest number: a truncated one blocks
every later resume, one without its optimiser silently changes the result. Ours carry a manifest,
written last, with the size and hash of every file; what does not match it is put aside.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mtsweep import interruption
from mtsweep.record import write

MANIFEST = "whole.json"
_FOLDER = "checkpoints"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint."""

    path: Path
    step: int
    """Optimiser steps taken."""
    seconds: float
    """Of training, up to here."""

    @property
    def through(self) -> bool:
        """Whether it is of the last step."""
        told = json.loads((self.path / "trainer_state.json").read_text(encoding="utf-8"))
        return self.step >= told["max_steps"]


def place(run_folder: Path) -> Path:
    """Where the checkpoints of a run lie."""
    return run_folder / _FOLDER


def latest(run_folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest whole checkpoint; those that are not whole are put aside.

    Returns:
        The checkpoint, if there is one, and a line about each that was put aside.
    """
    told = []
    folder = place(run_folder)
    steps = sorted((_step(path) for path in folder.glob("checkpoint-*")), reverse=True)
    for step in steps:
        path = folder / f"checkpoint-{step}"
        manifest, fault = _verified(path)
        if fault is None:
            return Checkpoint(path, step, manifest["seconds"]), told
        aside = folder / f"broken-{step}"
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
        told.append(f"checkpoint of step {step} is not whole ({fault}): put aside as {aside.name}")
    return None, told


def remove(run_folder: Path) -> None:
    """Drop the checkpoints of a run that is trained."""
    shutil.rmtree(place(run_folder), ignore_errors=True)


def _step(path: Path) -> int:
    number = path.name.removeprefix("checkpoint-")
    return int(number) if number.isdigit() else -1


def _verified(path: Path) -> tuple[dict[str, Any], str | None]:
    """The manifest of a checkpoint, and what is wrong with it."""
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        for name, (size, digest) in manifest["files"].items():
            file = path / name
            if file.stat().st_size != size or _digest(file) != digest:
                return {}, f"{name} is not as it was written"
    except FileNotFoundError as error:
        return {}, f"{Path(error.filename).name} is missing"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return {}, f"{MANIFEST}: {error}"
    return manifest, None


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


class Keeper(TrainerCallback):
    """Says when a checkpoint is due, seals it, and ends training when somebody asked for it.

    Args:
        run_folder: Of the run.
        every: Seconds between two checkpoints.
        earlier: Seconds of training before this start.

    Raises:
        Interrupted: behind the checkpoint, if somebody asked to stop.
    """

    def __init__(self, run_folder: Path, every: float, earlier: float) -> None:
        self.folder = place(run_folder)
        self.every = every
        self.started = time.monotonic() - earlier
        self.saved = time.monotonic()

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Ask for a checkpoint, if one is due."""
        if interruption.asked() or time.monotonic() - self.saved >= self.every:
            control.should_save = True

    def on_save(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Seal the checkpoint that was just written."""
        path = self.folder / f"checkpoint-{state.global_step}"
        (path / "training_args.bin").unlink(missing_ok=True)  # a pickle that nothing here reads
        files = {
            file.name: (file.stat().st_size, _digest(file))
            for file in sorted(path.iterdir())
            if file.is_file()
        }
        told = {"seconds": time.monotonic() - self.started, "files": files}
        write(path / MANIFEST, json.dumps(told, indent=1) + "\n")
        self.saved = time.monotonic()
        interruption.check()
