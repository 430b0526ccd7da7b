"""Which weights are trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import PositiveFloat, PositiveInt

from mtsweep.config.section import Probability, Section


class LoraConfig(Section):
    """Which weights are trained (``conf/lora/``); field names are PEFT's and bitsandbytes' own."""

    method: Literal["lora", "none", "untouched"]
    """``lora`` trains a low-rank update, ``none`` every weight, ``untouched`` nothing: such a run
    is the base row of its model, prompt, test set and decoding."""
    r: PositiveInt = 16
    """Rank of the update; Hu et al. 2021 find 4 to 16 enough for attention weights."""
    lora_alpha: PositiveFloat = 16
    """The update is scaled by lora_alpha / r (by its square root with ``use_rslora``)."""
    lora_dropout: Probability = 0.0
    """Dropout on the input of the update."""
    target_modules: str | tuple[str, ...] = "all-linear"
    """PEFT's names of the layers to adapt, or ``all-linear`` (all but the output layer)."""
    use_dora: bool = False
    """Weight-decomposed update (Liu et al. 2024)."""
    use_rslora: bool = False
    """Rank-stabilised scale (Kalajdzievski 2023)."""
    load_in_4bit: bool = False
    """Keep the frozen base in 4 bits (QLoRA, Dettmers et al. 2023)."""
    bnb_4bit_quant_type: Literal["nf4", "fp4"] = "nf4"
    bnb_4bit_use_double_quant: bool = True
    bnb_4bit_compute_dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"


def tuning(lora: Mapping[str, Any]) -> str:
    """What people call a tuning: ``full``, ``lora``, ``dora`` or ``qlora``.

    Args:
        lora: The section's values, as a configuration or a record has them.
    """
    if lora.get("method") == "none":
        return "full"
    return "qlora" if lora.get("load_in_4bit") else "dora" if lora.get("use_dora") else "lora"
