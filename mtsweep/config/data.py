"""Which pairs are trained on and scored."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeInt, PositiveInt, model_validator

from mtsweep.config.section import Language, Part, Section, refusal


class DataConfig(Section):
    """Which pairs are trained on and scored (``conf/data/``)."""

    name: str
    """What people call the data, in tables and W&B tags."""
    source: Literal["phrasebook", "gettext", "files"]
    """Reader of the pairs."""
    source_lang: Language
    """FLORES-200 code of the language translated from."""
    target_lang: Language
    """FLORES-200 code of the language translated to."""
    size: PositiveInt | None = None
    """Training pairs; null takes all. Smaller sizes are nested in larger ones."""
    test_size: Part = 100
    """Held-out test segments: a count, or a share of all pairs."""
    dev_size: Part = 50
    """Pairs for the loss during training: a count, or a share of all pairs."""
    split_seed: NonNegativeInt = 13
    """Seed of the split; apart from ``seed``, so that replicates share one test set."""
    domains: tuple[str, ...] | None = None
    """Phrasebook domains to take; null takes all ten."""
    train_file: str | None = None
    """``files``: JSONL with the training pairs (or all of them, where no test file is given)."""
    dev_file: str | None = None
    """``files``: JSONL with the dev pairs; null splits them off the training file."""
    test_file: str | None = None
    """``files``: JSONL with the test pairs; null splits them off the training file."""
    source_column: str | None = None
    """``files``: column or key of the source text; null tries ``source`` and the nested form."""
    target_column: str | None = None
    """``files``: column or key of the target text; null tries ``target`` and the nested form."""
    package: str | None = None
    """``gettext``: installed Python package whose message catalogs are read."""

    @model_validator(mode="after")
    def _two_languages(self) -> DataConfig:
        if self.source_lang == self.target_lang:
            raise refusal("source_lang and target_lang are the same")
        return self
