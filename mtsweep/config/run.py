"""One run, whole."""

from __future__ import annotations

from pydantic import NonNegativeInt

from mtsweep.config.data import DataConfig
from mtsweep.config.lora import LoraConfig
from mtsweep.config.model import ModelConfig
from mtsweep.config.prompt import PromptConfig
from mtsweep.config.scoring import DecodingConfig, EvaluationConfig
from mtsweep.config.section import Section
from mtsweep.config.sweep import SweepConfig
from mtsweep.config.synthesis import SynthesisConfig
from mtsweep.config.tracking import TrackingConfig
from mtsweep.config.trainer import TrainerConfig


class RunConfig(Section):
    """One run, whole."""

    model: ModelConfig
    data: DataConfig
    lora: LoraConfig
    trainer: TrainerConfig
    prompt: PromptConfig
    decoding: DecodingConfig
    evaluation: EvaluationConfig
    tracking: TrackingConfig = TrackingConfig()
    sweep: SweepConfig = SweepConfig()
    synthesis: SynthesisConfig | None = None
    """What ``synthesize`` does; runs take no notice of it."""
    seed: NonNegativeInt = 42
    """Seed of initialisation, dropout and data order."""
    output_dir: str = "."
    """Folder that gets ``runs/`` and ``sweeps/``."""
