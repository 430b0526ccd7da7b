"""Bytes at the peak of a run.

What the backward pass needs was counted on models that transformers and PEFT build
(``tests/test_estimate.py`` does it again) and held against an H100's (``tests/benchmarks/gpu.py``).
"""

from __future__ import annotations

from typing import NamedTuple

from mtsweep.config import RunConfig, TrainerConfig
from mtsweep.estimate.lengths import Lengths
from mtsweep.estimate.shape import Shape

_KEPT = {"causal": (9.0, 3.9), "seq2seq": (7.0, 2.75)}
"""Values that a layer keeps for its backward pass: of each token and hidden unit, and of each token
and unit of its inner layer."""
_KEPT_FOR_DROPOUT = {"causal": (8.5, 0.9), "seq2seq": (11.0, 1.5)}
"""More of them where updates have a dropout of their own: masks, and what is left of the inputs."""
_KEPT_WHOLE = 1.35
"""Times as much where float32 weights are trained in 16 bits: what runs between layers is wide."""
_LOGIT_BYTES = 10
"""Of each target token and entry of the vocabulary: the logit, its float32, its gradient."""
_TILE, _TILE_TOKENS = 32768, 4096
"""Entries of the vocabulary that TRL scores at once, and for how many tokens."""
_FOUR_BITS = 0.53
"""Bytes of a weight in 4 bits, its share of the scales included."""
_PROCESS_BYTES = 450 << 20
"""Of libraries in a CPU process; a GPU's allocator does not see them."""


class Memory(NamedTuple):
    """Bytes on the device."""

    peak: int
    least: int
    """Whatever the batch is: weights, gradients and states of the optimiser."""


def memory(
    config: RunConfig, size: Shape, trained: int, lengths: Lengths, *, on_gpu: bool
) -> Memory:
    """What a run holds at its peak.

    Args:
        config: Of the run.
        size: Of its model.
        trained: Parameters that are trained.
        lengths: Of its pairs.
        on_gpu: Whether it has a GPU.
    """
    weights = _weights(config, size, trained, on_gpu=on_gpu)
    whole, micro = config.lora.method == "none", config.trainer.per_device_train_batch_size
    update = trained * ((0 if whole else 4) + 4 + 8)  # weights of the update, gradients, Adam
    tokens = micro * lengths.longest
    untouched = config.lora.method == "untouched"
    kept = 0 if untouched else tokens * kept_bytes(size, config, on_gpu=on_gpu)
    if config.model.kind == "causal":
        logits = 2 * 4 * min(tokens / 2, _TILE_TOKENS) * min(size.vocabulary, _TILE)
    else:
        logits = _LOGIT_BYTES * tokens / 2 * size.vocabulary
    process = 0 if on_gpu else _PROCESS_BYTES
    held = trained * _held(config.trainer, whole=whole)
    return Memory(int(weights + update + kept + logits + process), int(weights + held))


def _weights(config: RunConfig, size: Shape, trained: int, *, on_gpu: bool) -> float:
    whole, own = config.lora.method == "none", config.model.dtype == "auto"
    wide = config.model.dtype == "float32" or (own and (whole or not on_gpu))
    each = 4 if wide else 2
    if config.lora.load_in_4bit:
        return each * size.embedding + _FOUR_BITS * size.linear
    copies = 2 * trained if whole and own and on_gpu else 0  # what autocast computes with
    return each * size.parameters + copies


def _held(trainer: TrainerConfig, *, whole: bool) -> int:
    """Bytes for each trained parameter: of an update its weight, a gradient, AdamW's two states.

    Optimisers that hold less than AdamW are taken to hold nothing.
    """
    plain = str(trainer.others.get("optim", "adamw_torch")).startswith(("adamw_torch", "adamw_hf"))
    return (0 if whole else 4) + 4 + (8 if plain else 0)


def kept_bytes(size: Shape, config: RunConfig, *, on_gpu: bool) -> float:
    """What the backward pass needs of each token of a pair."""
    lora, trainer = config.lora, config.trainer
    half = on_gpu and trainer.others.get("bf16", True) is not False
    whole, kind = lora.method == "none", config.model.kind
    dropout = _KEPT_FOR_DROPOUT[kind] if lora.lora_dropout and not whole else (0.0, 0.0)
    widths = size.hidden, size.inner
    values = sum(
        (each + more) * width
        for each, more, width in zip(_KEPT[kind], dropout, widths, strict=True)
    )
    values *= _KEPT_WHOLE if whole and half else 1
    # A token is of the source or of the target, and passes through the layers of one side.
    layers = size.layers / (2 if kind == "seq2seq" else 1)
    if trainer.gradient_checkpointing:
        return (values + size.hidden * layers) * (2 if half else 4)
    return values * layers * (2 if half else 4)
