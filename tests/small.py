"""Small models for tests, loaded the way runs load them."""

from __future__ import annotations

from mtsweep.config import LoraConfig, ModelConfig, PromptConfig
from mtsweep.models import families
from mtsweep.models.load import Base, load
from mtsweep.models.locate import locate

PROMPT = PromptConfig(name="plain", template="{source}: {text}\n{target}:")


def small_base(name: str, lora: LoraConfig | None = None) -> Base:
    """A fresh ``tiny_causal`` or ``tiny_seq2seq``."""
    kind = "causal" if name == "tiny_causal" else "seq2seq"
    config = ModelConfig(name=name, kind=kind, source="tiny", dtype="float32")
    located = locate(config)
    family = families.recognise(located.config, located.tokenizer_config)
    return load(config, lora or LoraConfig(method="lora"), located, family, lambda _: None)
