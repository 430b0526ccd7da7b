"""The schema of a run: every key, its unit and its bounds, and the checks across sections.

Hydra composes plain values; :func:`validate` turns them into one frozen :class:`RunConfig`, or says
everything that is wrong with them. One module a section; nothing heavy is imported here.
"""

from mtsweep.config.also import also
from mtsweep.config.data import DataConfig
from mtsweep.config.keys import completed, is_key, known_keys, unknown
from mtsweep.config.lora import LoraConfig, tuning
from mtsweep.config.model import ModelConfig
from mtsweep.config.prompt import PromptConfig
from mtsweep.config.run import RunConfig
from mtsweep.config.scoring import DecodingConfig, EvaluationConfig, Metric
from mtsweep.config.section import Section
from mtsweep.config.sweep import SweepConfig
from mtsweep.config.synthesis import FilterConfig, SynthesisConfig
from mtsweep.config.tracking import TrackingConfig, TrackioConfig, WandbConfig
from mtsweep.config.trainer import TrainerConfig
from mtsweep.config.validation import MISSING, validate

__all__ = [
    "MISSING",
    "DataConfig",
    "DecodingConfig",
    "EvaluationConfig",
    "FilterConfig",
    "LoraConfig",
    "Metric",
    "ModelConfig",
    "PromptConfig",
    "RunConfig",
    "Section",
    "SweepConfig",
    "SynthesisConfig",
    "TrackingConfig",
    "TrackioConfig",
    "TrainerConfig",
    "WandbConfig",
    "also",
    "completed",
    "is_key",
    "known_keys",
    "tuning",
    "unknown",
    "validate",
]
