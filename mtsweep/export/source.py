"""The finished run that is exported, found without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtsweep.config import DecodingConfig, RunConfig, tuning
from mtsweep.data.shots import Shots
from mtsweep.errors import UserError
from mtsweep.models import families
from mtsweep.models.families import Family
from mtsweep.models.locate import Located, locate
from mtsweep.record import Record, RunFolder
from mtsweep.serve import resolve

Row = dict[str, Any]
"""A line of ``predictions/test.jsonl``."""


@dataclass(frozen=True)
class Source:
    """A finished run with what it trained and what it said to its test set."""

    folder: RunFolder
    record: Record
    config: RunConfig
    trained: Path | None
    """What was trained; ``None`` is the untouched model."""
    shots: Shots | None
    """What its prompt shows as examples."""
    rows: tuple[Row, ...]
    """Its predictions on the main test set, in order."""

    @property
    def id(self) -> str:
        """Of the run."""
        return self.folder.id

    @property
    def whole(self) -> bool:
        """Whether it has no update of its own: every weight was trained, or none was."""
        return self.trained is None or self.config.lora.method == "none"

    @property
    def label(self) -> str:
        """Model, tuning and languages in a phrase."""
        data, lora = self.config.data, self.config.lora
        rank = "" if self.whole else f" r={lora.r}"
        told = "untouched" if self.trained is None else tuning(lora.model_dump()) + rank
        return f"{self.config.model.name}, {told}, {data.source_lang} to {data.target_lang}"

    @property
    def located(self) -> Located:
        """Where its base model is."""
        return locate(self.config.model)

    @property
    def family(self) -> Family:
        """How its model is told the languages."""
        located = self.located
        return families.recognise(located.config, located.tokenizer_config)

    @property
    def base_name(self) -> str:
        """What an adapter says it belongs to: the hub id or folder, or the name of the model."""
        return self.config.model.name

    @property
    def on_hub(self) -> bool:
        """Whether others find the base model by its name on the hub."""
        config = self.config.model
        return config.source == "hub" and not Path(config.name).expanduser().is_dir()

    @property
    def decoding(self) -> DecodingConfig:
        """As the test set was translated, with what memory made of it."""
        adjusted = {
            key.removeprefix("decoding."): value
            for key, value in self.record.adjusted.items()
            if key.startswith("decoding.")
        }
        return self.config.decoding.model_copy(update=adjusted)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Language pairs of its test set, in the order they come."""
        return list(dict.fromkeys(self.languages(row) for row in self.rows))

    def languages(self, row: Row) -> tuple[str, str]:
        """Languages of a segment."""
        data = self.config.data
        source, target = row.get("languages", (data.source_lang, data.target_lang))
        return source, target


def source(name: str, output: Path) -> Source:
    """A finished run by what people call it (:func:`mtsweep.serve.resolve.find`).

    Raises:
        UserError: if there is no such run, it has not finished, or what it left is gone.
    """
    folder, record = resolve.find(name, output)
    config = resolve.configuration(folder)
    rows = folder.predictions("test")
    if not rows or "source" not in rows[0] or "tokens" not in rows[0]:
        raise UserError(
            f"{folder.path}: its predictions are gone, so nobody could tell whether what is "
            "exported says what was scored; remove the run and start its command again"
        )
    trained = resolve.weights(folder, record)
    return Source(folder, record, config, trained, resolve.examples(folder, config), tuple(rows))
