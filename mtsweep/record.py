"""What a run leaves: its folder, its state, and ``record.json``, written last and in one step."""

from __future__ import annotations

import datetime
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mtsweep.errors import UserError
from mtsweep.lock import Lock
from mtsweep.scores import Score

SCHEMA = 1
"""Version of ``record.json``; a record of another version is refused by name."""

EXAMPLES = "examples.json"
"""File of a run folder with the pairs that its prompt shows as examples."""

State = Literal["waiting", "running", "interrupted", "failed", "pruned", "finished"]


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
    seconds_per_step: float | None = None
    """Of an optimiser step, without dev set and checkpoints, also where weights were taken over;
    ``None`` for the untouched model and in records of older versions."""


class Degeneration(BaseModel):
    """How the outputs behave, apart from whether they are right; shares from 0 to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stopped: float
    """Share of outputs that end with the end token, rather than at ``max_new_tokens``."""
    repeated_4grams: float
    """Share of word 4-grams that repeat an earlier one of the same output."""
    length_ratio: float
    """Characters of all outputs over characters of all references."""
    text_after: float | None = None
    """Share of outputs that go on behind the answer: another line, the prompt's words, another
    language; ``None`` in records of older versions, as below."""
    copied: float | None = None
    """Share that repeats the source text instead of translating it."""
    wrong_language: float | None = None
    """Share in another language than the target; ``None`` too where py3langid does not know it."""


class Training(BaseModel):
    """What a training came to (``trained.json``), written once the weights are stored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train_id: str
    seconds: float
    """Of the training loop, dev losses included, over all starts."""
    seconds_per_step: float | None = None
    """Of an optimiser step, without dev set and checkpoints, over the last start; the first step of
    it is left out, in which kernels are loaded and compiled."""
    steps: int
    """Optimiser steps taken."""
    too_long: int
    """Training pairs left out because of ``trainer.max_length``."""
    trainable_parameters: int
    fewer_examples: int = 0
    """Training and dev texts with fewer examples before them than ``prompt.shots``."""
    adjusted: dict[str, int] = {}
    """Trainer fields that the run had to change by itself, and what it changed them to."""
    chosen: dict[str, Any] = {}
    """What the dev set chose (``trainer.metric_for_best_model``): ``metric``, its ``value``, the
    ``step`` whose weights were kept, the number of ``looks``, ``stopped_early``."""
    advice: tuple[str, ...] = ()
    """What the tokenizer had to say before (``advice.py``)."""


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
    """On the main test set, by metric."""
    base_scores: dict[str, Score]
    """Of the untouched model, likewise."""
    degeneration: Degeneration
    data: dict[str, Any]
    cost: Cost
    environment: dict[str, Any]
    adjusted: dict[str, int] = {}
    """Values that the run had to change by itself (out of memory), and what it changed them to."""
    estimate: dict[str, float] = {}
    """Memory (bytes) and seconds that were expected, by the configuration alone."""
    base_id: str | None = None
    """Id of the base row's record; ``None`` in records of older versions."""
    also: dict[str, dict[str, Score]] = {}
    """Further test set (``evaluation.also``) to its scores by metric."""
    base_also: dict[str, dict[str, Score]] = {}
    """Of the untouched model, likewise."""
    parts: dict[str, dict[str, Score]] = {}
    """Part of the main test set (an origin, or a language pair) to its scores by metric, where the
    test set has several."""
    base_parts: dict[str, dict[str, Score]] = {}
    """Of the untouched model, likewise."""
    chosen: dict[str, Any] = {}
    """What the dev set chose, as in :class:`Training`; empty: the last step's weights."""
    advice: tuple[str, ...] = ()
    """What was likely to disappoint in the training, as it was told before: key and figure."""


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

    def lock(self) -> Lock:
        """Held by whoever works on the run; free again when its process or machine dies."""
        locks = self.path.parent / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        return Lock(locks / f"{self.id}.lock")

    def start(self, config: str) -> None:
        """Make the folder and put the run's configuration (YAML) into it."""
        self.path.mkdir(parents=True, exist_ok=True)
        write(self.path / "config.yaml", config)
        self.set_state("running")

    @property
    def state(self) -> State | None:
        """Where the run stands by its own account; ``None`` if it never started."""
        try:
            return json.loads((self.path / "status.json").read_text(encoding="utf-8"))["state"]
        except (OSError, ValueError, KeyError):
            return None

    @property
    def reason(self) -> str:
        """Why the run stands where it does, by its own account."""
        try:
            told = json.loads((self.path / "status.json").read_text(encoding="utf-8"))
            return str(told["reason"])
        except (OSError, ValueError, KeyError):
            return ""

    def training(self) -> Training | None:
        """The account of a training whose weights are stored."""
        try:
            return Training.model_validate_json((self.path / "trained.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def keep_weights(self, draft: Path, name: Literal["adapter", "model"], told: Training) -> None:
        """Put trained weights, stored whole in ``draft``, into their place."""
        (self.path / "trained.json").unlink(missing_ok=True)
        shutil.rmtree(self.path / name, ignore_errors=True)
        draft.rename(self.path / name)
        write(self.path / "trained.json", told.model_dump_json(indent=1) + "\n")

    def adjusted(self) -> dict[str, int]:
        """Trainer fields that the run had to change by itself at an earlier start."""
        try:
            return json.loads((self.path / "adjusted.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}

    def adjust(self, fields: Mapping[str, int]) -> None:
        """Keep trainer fields for the next start of the run."""
        write(self.path / "adjusted.json", json.dumps(dict(fields)) + "\n")

    def rewind_metrics(self, step: int) -> list[dict[str, float]]:
        """Forget figures behind ``step``; returns those that stay."""
        path = self.path / "metrics.jsonl"
        kept: list[dict[str, float]] = []
        if path.exists() and step:
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    figures = json.loads(line)
                except ValueError:
                    break  # cut off in the middle of a line
                if figures["step"] > step:
                    break
                kept.append(figures)
        write(path, "".join(json.dumps(figures) + "\n" for figures in kept))
        return kept

    def prune(self, step: int, value: float, reason: str) -> None:
        """Say that a search gave the run up at ``step``; what it was trained to goes."""
        shutil.rmtree(self.path / "checkpoints", ignore_errors=True)
        self.set_state("pruned", reason, {"step": step, "value": value})

    def set_state(
        self, state: State, reason: str = "", figures: Mapping[str, float] | None = None
    ) -> None:
        """Say where the run stands (``status.json``)."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        status = {"state": state, "reason": reason, "time": now, **(figures or {})}
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

    def predictions(self, *test_sets: str) -> list[dict[str, Any]]:
        """The rows of some test sets, one after the other; of one that is not there, none."""
        files = [self.path / "predictions" / f"{name}.jsonl" for name in test_sets]
        return [
            json.loads(line)
            for file in files
            if file.is_file()
            for line in file.read_text(encoding="utf-8").split("\n")
            if line
        ]

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
            told = path.stat()
            return _parsed(path, (told.st_ino, told.st_size, told.st_mtime_ns))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValidationError as error:
            reason = error.errors()[0]
            raise UserError(
                f"{path}: not a record that this version reads "
                f"({'.'.join(map(str, reason['loc'])) or 'file'}: {reason['msg']}); "
                "remove its folder to run it again"
            ) from error


@lru_cache(maxsize=4096)
def _parsed(path: Path, stamp: tuple[int, ...]) -> Record:  # noqa: ARG001 - tells one content from the next
    """A record, read once as long as the file stays what it is."""
    return Record.model_validate_json(path.read_bytes())


def write(path: Path, content: str | bytes) -> None:
    """Write a file in one step: what is read is always whole. Text becomes UTF-8 as it is."""
    # Two identical commands may write the same file at the same time: each has its own draft.
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    with draft.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def records(runs: Path) -> Iterator[tuple[RunFolder, Record]]:
    """Every finished run under ``runs/``."""
    for path in sorted(runs.glob("*/record.json")):
        folder = RunFolder(path.parent)
        if record := folder.record():
            yield folder, record
