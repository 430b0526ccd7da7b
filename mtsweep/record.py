"""What a run leaves: its folder, its state, and ``record.json``, written last and in one step."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mtsweep.errors import UserError
from mtsweep.scores import Score

SCHEMA = 1
"""Version of ``record.json``; a record of another version is refused by name."""

State = Literal["waiting", "running", "interrupted", "failed", "finished"]


class Cost(BaseModel):
    """What a run took."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds_train: float
    seconds_evaluate: float
    peak_memory_bytes: int
    """Of the CUDA allocator, or of the process (resident) on a CPU."""
    trainable_parameters: int
    total_parameters: int
    adapter_bytes: int
    """Size of what was trained, as stored."""


class Degeneration(BaseModel):
    """How the outputs behave, apart from whether they are right; shares from 0 to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stopped: float
    """Share of outputs that end with the end token, rather than at ``max_new_tokens``."""
    repeated_4grams: float
    """Share of word 4-grams that repeat an earlier one of the same output."""
    length_ratio: float
    """Characters of all outputs over characters of all references."""


class Record(BaseModel):
    """The finished account of a run (``record.json``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = SCHEMA
    id: str
    train_id: str | None
    """``None`` for the untouched model."""
    kind: Literal["run", "base"]
    config: dict[str, Any]
    scores: dict[str, Score]
    base_scores: dict[str, Score]
    degeneration: Degeneration
    data: dict[str, Any]
    cost: Cost
    environment: dict[str, Any]


@dataclass(frozen=True)
class RunFolder:
    """The files of one run, under ``runs/<id>/``."""

    path: Path

    @property
    def id(self) -> str:
        """Run id: the folder's name."""
        return self.path.name

    @property
    def log(self) -> Path:
        """Everything that libraries said while the run ran."""
        return self.path / "log.txt"

    @property
    def adapter(self) -> Path:
        """PEFT adapter of a tuned model."""
        return self.path / "adapter"

    @property
    def model(self) -> Path:
        """Whole model, where every weight was trained."""
        return self.path / "model"

    @property
    def trained(self) -> Path | None:
        """Where the trained weights are, if they are."""
        return next((path for path in (self.adapter, self.model) if path.is_dir()), None)

    def start(self, config: str) -> None:
        """Make the folder and put the run's configuration (YAML) into it."""
        self.path.mkdir(parents=True, exist_ok=True)
        write(self.path / "config.yaml", config)
        for leftover in ("metrics.jsonl", "log.txt"):
            (self.path / leftover).unlink(missing_ok=True)

    def set_state(self, state: State, reason: str = "") -> None:
        """Say where the run stands (``status.json``)."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        status = {"state": state, "reason": reason, "time": now}
        write(self.path / "status.json", json.dumps(status, indent=1) + "\n")

    def log_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Add one line to ``metrics.jsonl``; ``step`` counts optimiser steps."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"step": step, **metrics}) + "\n")

    def write_predictions(self, test_set: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """One JSON object a segment: newlines in a text never shift lines."""
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        folder = self.path / "predictions"
        folder.mkdir(exist_ok=True)
        write(folder / f"{test_set}.jsonl", text)

    def finish(self, record: Record) -> None:
        """Write ``record.json``; from now on the run counts as finished."""
        write(self.path / "record.json", record.model_dump_json(indent=1) + "\n")
        self.set_state("finished")

    def record(self) -> Record | None:
        """The record, if the run is finished.

        Raises:
            UserError: if there is one that this version cannot read.
        """
        path = self.path / "record.json"
        try:
            return Record.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValidationError as error:
            reason = error.errors()[0]
            raise UserError(
                f"{path}: not a record that this version reads "
                f"({'.'.join(map(str, reason['loc'])) or 'file'}: {reason['msg']}); "
                "remove its folder to run it again"
            ) from error


def write(path: Path, text: str) -> None:
    """Write a file in one step: what is read is always whole."""
    draft = path.with_name(path.name + ".draft")
    with draft.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def records(runs: Path) -> Iterator[tuple[RunFolder, Record]]:
    """Every finished run under ``runs/``."""
    for path in sorted(runs.glob("*/record.json")):
        folder = RunFolder(path.parent)
        if record := folder.record():
            yield folder, record
