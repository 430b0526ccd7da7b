"""What a card is about: a finished run, its base row and its sweeps, as they lie on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml

from mtsweep.compare import Comparison, compare
from mtsweep.compare.gather import gather
from mtsweep.compare.settings import Found
from mtsweep.config import RunConfig, completed, validate
from mtsweep.data.shots import Shots
from mtsweep.errors import UserError
from mtsweep.models import families, smollm2
from mtsweep.models.families import Family
from mtsweep.models.locate import locate
from mtsweep.record import Record, RunFolder, Training
from mtsweep.serve import resolve
from mtsweep.serve.inventory import sweeps_with

Format = Literal["peft", "merged"]
"""What ships: an adapter to be put on its base model, or a whole model."""

_EMBEDDED = f"HuggingFaceTB/{smollm2.MODEL}"
OWN_FILES = "files"


@dataclass(frozen=True)
class Judged:
    """What a sweep that the run belongs to came to."""

    name: str
    """Empty where the run and its base row are all there is."""
    command: str
    comparison: Comparison


@dataclass(frozen=True)
class Subject:
    """A finished run, and what is known about it."""

    folder: RunFolder
    record: Record
    config: RunConfig
    family: Family
    training: Training | None
    """``None`` where neither this run nor one that was trained the same way has its weights."""
    shots: Shots | None
    """What its prompt shows as examples."""
    judged: tuple[Judged, ...]

    @property
    def is_chat(self) -> bool:
        """Whether it was trained on conversations."""
        return self.config.data.is_chat

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Source and target language of everything that it was trained on."""
        return self.config.data.language_pairs

    @property
    def base_name(self) -> str:
        """What people call the base model."""
        if self.config.model.source == "smollm2":
            return smollm2.MODEL
        return self.config.model.name.rstrip("/").rpartition("/")[2]

    @property
    def base_model(self) -> str | None:
        """Name of the base model on the hub; ``None`` where it has none."""
        model = self.config.model
        if model.source == "smollm2":
            return _EMBEDDED
        if model.source == "tiny" or Path(model.name).expanduser().is_dir():
            return None
        return model.name

    @property
    def exact_base(self) -> bool:
        """Whether the base model's weights on the hub are, bit by bit, those that were tuned."""
        return self.base_model is not None and self.config.model.source == "hub"

    @property
    def default_format(self) -> Format:
        """An adapter where it can be put on exactly what it was trained on."""
        return "peft" if self.has_adapter and self.exact_base else "merged"

    @property
    def has_adapter(self) -> bool:
        """Whether what was trained is an adapter."""
        return self.config.lora.method == "lora"

    @property
    def own_files(self) -> bool:
        """Whether some of the data are files that nobody else need have."""
        data = self.config.data
        sources = [data.source, *(part.source for part in data.mix)]
        folder = data.dataset and Path(data.dataset).expanduser().is_dir()
        return OWN_FILES in sources or bool(folder)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Predictions on the main test set."""
        return self.folder.predictions("test")

    @cached_property
    def probes(self) -> list[dict[str, Any]]:
        """Predictions on the questions that stand in no data set."""
        return self.folder.predictions("probes")

    @cached_property
    def base(self) -> Found | None:
        """The untouched model under the same prompt, test set and decoding."""
        rows = [row for judged in self.judged for row in judged.comparison.rows]
        beside = [row.key for row in rows if row.kind == "base"]
        for name in [self.record.base_id] if self.record.base_id else beside:
            folder = RunFolder(self.folder.path.parent / name)
            record = folder.record()
            if record and record.scores == self.record.base_scores:
                return folder, record
        return None


def subject(name: str, output: Path) -> Subject:
    """A run by what people call it (``resolve.find``), to be described.

    Raises:
        UserError: if there is no such run, it has not finished, or it trained nothing.
    """
    folder, record = resolve.find(name, output)
    if record.kind == "base":
        raise UserError(
            f"{folder.id}: the untouched model; nothing was trained, so there is nothing to ship"
        )
    config = validate(completed(record.config))
    if isinstance(config, list):
        told = "; ".join(f"{problem.key}: {problem.complaint}" for problem in config)
        raise UserError(f"{folder.path}: not as this version writes it ({told})")
    shots = resolve.examples(folder, config)
    judged = tuple(_judged(folder, record))
    return Subject(
        folder, record, config, _family(config), _training(folder, record), shots, judged
    )


def _family(config: RunConfig) -> Family:
    """The family of a model; of a decoder-only one without a look at it."""
    if config.model.kind == "causal":
        return "causal"
    located = locate(config.model)
    return families.recognise(located.config, located.tokenizer_config)


def _training(folder: RunFolder, record: Record) -> Training | None:
    try:
        trained = resolve.weights(folder, record)
    except UserError:
        return None
    return RunFolder(trained.parent).training() if trained else None


def _judged(folder: RunFolder, record: Record) -> list[Judged]:
    """Comparisons of the sweeps with the run; without any, of the run and its base row."""
    output = folder.path.parent.parent
    names = sweeps_with(folder.id, output)
    gathered = [(name, *gather([str(output / "sweeps" / name)], output)) for name in names]
    gathered.sort(key=lambda each: -len(each[1]))
    told: list[Judged] = []
    seen: list[set[str]] = []
    for name, found, swept in gathered:
        ids = {each.id for _, each in found}
        if len(found) < 2 or folder.id not in ids or any(ids <= other for other in seen):
            continue  # another sweep says all of it
        try:
            told.append(Judged(name, _command(output, name), compare(found, swept=sorted(swept))))
        except UserError:
            continue  # predictions of a run of it are gone
        seen.append(ids)
    if not told:
        alone = [(folder, record)]
        if record.base_id and (base := RunFolder(output / "runs" / record.base_id)).record():
            alone = [*gather([str(base.path)], output)[0], *alone]
        command = _command(output, names[0]) if names else ""
        told.append(Judged("", command, compare(alone)))
    return told


def _command(output: Path, sweep: str) -> str:
    try:
        told = yaml.safe_load((output / "sweeps" / sweep / "sweep.yaml").read_text("utf-8"))
    except (OSError, yaml.YAMLError):
        return ""
    return str(told.get("command", "")) if isinstance(told, dict) else ""
