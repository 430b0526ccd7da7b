"""Translate texts in batches of like length, and give them back in the order they came."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mtsweep import interruption
from mtsweep.config import DecodingConfig
from mtsweep.data.pairs import Pair
from mtsweep.models.codec import Codec

if TYPE_CHECKING:
    from transformers import GenerationConfig

_ROOM = 1.25
_SPARE = 4


@dataclass(frozen=True)
class Hypothesis:
    """One translation."""

    text: str
    stopped: bool
    """Whether it ended with the end token, rather than at the limit."""
    tokens: int
    """Generated tokens, end token included."""


def max_new_tokens(decoding: DecodingConfig, probe: Sequence[Pair], codec: Codec) -> int:
    """The limit of generated tokens: as configured, or 1.25 times the longest target known + 4."""
    if decoding.max_new_tokens is not None:
        return decoding.max_new_tokens
    longest = max(len(codec.target_ids(pair.target)) for pair in probe)
    return int(_ROOM * longest) + _SPARE


def generate(
    model: Any,  # noqa: ANN401 - a PreTrainedModel or a PeftModel
    codec: Codec,
    sources: Sequence[str],
    decoding: DecodingConfig,
    limit: int,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Hypothesis]:
    """Translate ``sources``.

    Args:
        model: In evaluation mode, on its device.
        codec: Of the model and language pair.
        sources: Texts, in any order.
        decoding: Beams and batch size.
        limit: Generated tokens at most (:func:`max_new_tokens`).
        advance: Called with the number of texts done.

    Returns:
        One hypothesis per source, in the order of ``sources``.
    """
    import torch

    config = _generation_config(model, codec, decoding, limit)
    order = sorted(
        range(len(sources)), key=lambda index: len(codec.source_ids(sources[index])), reverse=True
    )
    done: dict[int, Hypothesis] = {}
    for start in range(0, len(order), decoding.batch_size):
        interruption.check()
        indices = order[start : start + decoding.batch_size]
        batch = codec.tokenizer.pad(
            {"input_ids": [codec.source_ids(sources[index]) for index in indices]},
            padding_side="left" if codec.family == "causal" else "right",
            return_tensors="pt",
        ).to(model.device)
        with torch.no_grad():
            # batch x (prompt + new tokens) for a decoder-only model, batch x new tokens otherwise
            output = model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                generation_config=config,
            )
        skip = batch["input_ids"].shape[1] if codec.family == "causal" else 1
        for index, ids in zip(indices, output[:, skip:].tolist(), strict=True):
            done[index] = _hypothesis(ids, codec, config)
        advance(len(done))
    return [done[index] for index in range(len(sources))]


def _generation_config(
    model: Any,  # noqa: ANN401
    codec: Codec,
    decoding: DecodingConfig,
    limit: int,
) -> GenerationConfig:
    """The model's own configuration (bad words, start token, …) with our search in it."""
    config = copy.deepcopy(model.generation_config)
    config.update(
        do_sample=False,
        temperature=None,
        top_p=None,
        top_k=None,
        num_beams=decoding.num_beams,
        max_new_tokens=limit,
        max_length=None,
        repetition_penalty=decoding.repetition_penalty,
        no_repeat_ngram_size=decoding.no_repeat_ngram_size,
        eos_token_id=_ends(config, codec),
        pad_token_id=codec.tokenizer.pad_token_id,
        forced_eos_token_id=None,  # else the limit would look like a stop
    )
    if codec.forced_bos is not None:
        config.forced_bos_token_id = codec.forced_bos
    return config


def _ends(config: GenerationConfig, codec: Codec) -> list[int]:
    own = config.eos_token_id
    listed = own if isinstance(own, list) else [] if own is None else [own]
    return list(dict.fromkeys([codec.end, *listed]))


def _hypothesis(ids: list[int], codec: Codec, config: GenerationConfig) -> Hypothesis:
    ends: Any = config.eos_token_id
    stop = next((place for place, token in enumerate(ids) if token in ends), None)
    kept = ids if stop is None else ids[:stop]
    return Hypothesis(codec.decode(kept), stop is not None, len(kept) + (stop is not None))
