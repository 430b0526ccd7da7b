"""Which weights a run starts from."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator

from mtsweep.config.section import Section, Text, refusal

_PART = re.compile(r"embeddings|encoder|layers:[1-9]\d*")


def _parts(value: object) -> object:
    """Parts of a model, each once and in one order; nothing is ``None``."""
    named = [value] if isinstance(value, str) else value
    if named is None:
        return None
    if not isinstance(named, list | tuple):
        raise refusal(f"should be a part or a list of parts, not {value!r}")
    for part in named:
        if not isinstance(part, str) or not _PART.fullmatch(part):
            raise refusal(
                f"{part!r} is no part of a model; there are: embeddings, encoder, layers:N "
                "(the first N layers)"
            )
    layers = max((int(part[7:]) for part in named if part.startswith("layers:")), default=0)
    others = {part for part in named if not part.startswith("layers:")}
    return tuple(sorted([*others, *([f"layers:{layers}"] if layers else [])])) or None


Parts = Annotated[tuple[str, ...] | None, BeforeValidator(_parts)]


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
    license: Text | None = None
    """The hub's identifier of its licence, for cards; null goes by the model's own page. Changes no
    result."""
    attn_implementation: str | None = None
    """transformers' name of the attention (``sdpa``, ``flash_attention_2``); null chooses."""
    freeze: Parts = None
    """Parts that are not trained: ``embeddings``, ``encoder`` (of an encoder-decoder), and
    ``layers:N`` (the first N layers, of encoder and decoder each); one, or a list. Frozen layers
    get no adapter; an adapter of the linear layers trains no embeddings anyway."""

    @property
    def frozen_layers(self) -> int:
        """How many layers, from the first on, are frozen."""
        return next((int(part[7:]) for part in self.freeze or () if part[:7] == "layers:"), 0)
