"""Parameters of a model, counted from its ``config.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from mtsweep.config import ModelConfig


@dataclass(frozen=True)
class Shape:
    """The size of a model."""

    linear: int
    """Parameters of the layers that are quantised and adapted."""
    embedding: int
    layers: int
    hidden: int
    vocabulary: int
    inner: int
    """Units of the inner layer between a block's two or three last matrices."""
    sides: int
    """Sum of inputs and outputs of every adapted layer: parameters of an update of rank 1."""
    frozen: int = 0
    """Parameters that are not trained where every other is."""
    frozen_sides: int = 0
    """Of layers that get no update."""

    @property
    def parameters(self) -> int:
        """All of them."""
        return self.linear + self.embedding


def shape(config: Mapping[str, Any], model: ModelConfig | None = None) -> Shape:
    """Count parameters from a model's ``config.json``, and those that ``model.freeze`` names."""
    hidden = int(config.get("hidden_size") or config.get("d_model") or 512)
    vocabulary = int(config.get("vocab_size") or 32000)
    if config.get("is_encoder_decoder"):
        blocks = _encoder_decoder(config, hidden)
    else:
        blocks = _decoder(config, hidden)
    tied = config.get("tie_word_embeddings", True)
    parts = (model.freeze or ()) if model else ()
    first = model.frozen_layers if model else 0
    frozen = [b for b in blocks if b.layer < first or (b.side == "encoder" and "encoder" in parts)]
    return Shape(
        linear=sum(block.rows * block.columns for block in blocks),
        embedding=vocabulary * hidden * (1 if tied else 2),
        layers=_layers(config),
        hidden=hidden,
        vocabulary=vocabulary,
        inner=_inner(config, hidden),
        sides=sum(block.rows + block.columns for block in blocks),
        frozen=sum(block.rows * block.columns for block in frozen)
        + (vocabulary * hidden if "embeddings" in parts else 0),
        frozen_sides=sum(block.rows + block.columns for block in frozen),
    )


class _Block(NamedTuple):
    """A matrix of a layer."""

    side: Literal["encoder", "decoder"]
    layer: int
    rows: int
    columns: int


def _layers(config: Mapping[str, Any]) -> int:
    if config.get("is_encoder_decoder"):
        return int(config.get("encoder_layers", 6)) + int(config.get("decoder_layers", 6))
    return int(config.get("num_hidden_layers", 12))


def _inner(config: Mapping[str, Any], hidden: int) -> int:
    return int(config.get("intermediate_size") or config.get("encoder_ffn_dim") or 4 * hidden)


def _decoder(config: Mapping[str, Any], hidden: int) -> list[_Block]:
    heads = int(config.get("num_attention_heads", 8))
    inner = _inner(config, hidden)
    size = int(config.get("head_dim") or hidden // heads)
    keys = size * int(config.get("num_key_value_heads") or heads)
    layer = [(hidden, size * heads), (hidden, keys), (hidden, keys), (size * heads, hidden)]
    layer += [(hidden, inner)] * 3
    return [_Block("decoder", n, *sides) for n in range(_layers(config)) for sides in layer]


def _encoder_decoder(config: Mapping[str, Any], hidden: int) -> list[_Block]:
    found: list[_Block] = []
    sides: tuple[tuple[Literal["encoder", "decoder"], int], ...] = (("encoder", 1), ("decoder", 2))
    for side, attentions in sides:
        inner = int(config.get(f"{side}_ffn_dim") or 4 * hidden)
        layer = [(hidden, hidden)] * (4 * attentions) + [(hidden, inner)] * 2
        count = int(config.get(f"{side}_layers", 6))
        found += [_Block(side, n, *each) for n in range(count) for each in layer]
    return found
