"""Which weights a run starts from."""

from __future__ import annotations

from typing import Literal

from mtsweep.config.section import Section, Text


class ModelConfig(Section):
    """Which weights a run starts from (``conf/model/``)."""

    name: str
    """Hub id (``owner/name``), local folder, or the name of an embedded or tiny model."""
    kind: Literal["causal", "seq2seq"]
    """Decoder-only (trained by TRL's SFTTrainer) or encoder-decoder (HF's Seq2SeqTrainer)."""
    source: Literal["hub", "smollm2", "tiny"] = "hub"
    """Where weights come from: the hub or a folder, the embedded SmolLM2, or a fresh tiny one."""
    revision: Text | None = None
    """Branch, tag or commit on the hub; null is its default branch. The commit is recorded."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the weights; ``auto`` is bfloat16 on CUDA and float32 on a CPU."""
    attn_implementation: str | None = None
    """transformers' name of the attention (``sdpa``, ``flash_attention_2``); null chooses."""
