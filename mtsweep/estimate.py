"""What a run will take, before it is started: memory, seconds, disk. Without torch.

Parameters are counted from the model's configuration. What the backward pass needs was counted on
models built by transformers and PEFT (``tests/test_estimate.py`` does it again). Finished runs of
the same model correct both figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Literal, NamedTuple

from mtsweep import device
from mtsweep.config import ModelConfig, RunConfig, TrainerConfig
from mtsweep.data.pairs import Corpus
from mtsweep.record import Record

_CHARACTERS_PER_TOKEN = 3.0
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
_PROCESS_BYTES = 450 << 20
"""Of libraries in a CPU process; a GPU's allocator does not see them."""
_FLOPS = {"cpu": 6e10, "gpu": 4e13}
"""Sustained in training: per core of a CPU, or of a GPU. Finished runs tell better."""
_DECODING = 8.0
"""How much slower a token is generated than read."""


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


@dataclass(frozen=True)
class Estimate:
    """What a run is expected to take."""

    memory: int
    """Bytes at the peak, on the device."""
    seconds: float
    """For training and scoring."""
    disk: int
    """Bytes that stay in the run folder."""
    trained: int = 0
    """Parameters that are trained."""
    least: int = 0
    """Bytes that it needs whatever its batch is: weights, gradients and states of the optimiser."""
    scoring: float = 0.0
    """Of the seconds, those after training."""

    def taken_over(self) -> Estimate:
        """The same with weights that another run trained and stores."""
        return replace(self, seconds=self.scoring, disk=0)

    def told(self) -> dict[str, float]:
        """What a record keeps, to be held against what the run took."""
        return {"memory": self.memory, "seconds": round(self.seconds, 3)}


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


def estimate(config: RunConfig, model: Mapping[str, Any], corpus: Corpus) -> Estimate:
    """What a run will take, by its configuration alone.

    Args:
        config: Of the run.
        model: The model's ``config.json``.
        corpus: Its pairs; lengths are guessed from their characters.
    """
    size, lora, trainer = shape(model, config.model), config.lora, config.trainer
    on_gpu = bool(device.gpus())
    whole, untouched = lora.method == "none", lora.method == "untouched"
    wide = config.model.dtype == "float32" or (config.model.dtype == "auto" and not on_gpu)
    bytes_each = 4 if wide or (whole and config.model.dtype == "auto") else 2
    trained = size.parameters - size.frozen if whole else lora.r * (size.sides - size.frozen_sides)
    trained = 0 if untouched else trained
    weights = bytes_each * size.parameters
    if lora.load_in_4bit:
        weights = bytes_each * size.embedding + int(0.53 * size.linear)
    update = trained * ((0 if whole else 4) + 4 + 8)  # weights of the update, gradients, Adam
    shown = config.prompt.shots if config.model.kind == "causal" else 0
    plain, longest = _lengths(corpus, trainer.max_length)
    length = min(plain * (1 + shown), trainer.max_length or math.inf)
    tokens = trainer.per_device_train_batch_size * length
    fullest = trainer.per_device_train_batch_size * min(
        longest + plain * shown, trainer.max_length or math.inf
    )
    activations = 0 if untouched else int(fullest * _kept(size, config, on_gpu=on_gpu))
    if config.model.kind == "causal":
        logits = int(2 * 4 * min(fullest / 2, _TILE_TOKENS) * min(size.vocabulary, _TILE))
    else:
        logits = int(_LOGIT_BYTES * fullest / 2 * size.vocabulary)
    if whole and on_gpu and config.model.dtype == "auto":
        weights += 2 * trained  # copies in 16 bits
    memory = weights + update + activations + logits + (0 if on_gpu else _PROCESS_BYTES)
    steps = trainer.max_steps or trainer.num_train_epochs * len(corpus.train) / trainer.batch
    read = 0 if untouched else steps * trainer.gradient_accumulation_steps * tokens
    speed = _FLOPS["gpu"] if on_gpu else _FLOPS["cpu"] * device.cores()
    said = len(corpus.test)
    if corpus.is_chat:  # read whole, and some of them answered
        said = min(config.evaluation.answers, said)
    generated = said * _DECODING * plain * config.decoding.num_beams
    scored = generated + len(corpus.test) * (length if corpus.is_chat else length - plain)
    scoring = 2 * size.parameters * scored / speed
    return Estimate(
        memory=memory,
        seconds=2 * size.parameters * (3 if whole else 2) * read / speed + scoring,
        disk=4 * (size.parameters if whole else trained),
        trained=trained,
        least=weights + trained * _held(trainer, whole=whole),
        scoring=scoring,
    )


def _held(trainer: TrainerConfig, *, whole: bool) -> int:
    """Bytes for each trained parameter: of an update its weight, a gradient, AdamW's two states.

    Optimisers that hold less than AdamW are taken to hold nothing.
    """
    plain = str(trainer.others.get("optim", "adamw_torch")).startswith(("adamw_torch", "adamw_hf"))
    return (0 if whole else 4) + 4 + (8 if plain else 0)


def _kept(size: Shape, config: RunConfig, *, on_gpu: bool) -> float:
    """Bytes that the backward pass needs of each token."""
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


def _lengths(corpus: Corpus, limit: int | None) -> tuple[float, float]:
    """Tokens of a pair, prompt included, guessed from characters: of the longer ones, the longest.

    A batch is as long as its longest pair, and some batch has the longest of all.
    """
    guesses = (
        length / _CHARACTERS_PER_TOKEN + 16
        for length in (corpus.typical_length, corpus.greatest_length)
    )
    typical, longest = (min(guess, limit) if limit else guess for guess in guesses)
    return typical, longest


def kind(config: Mapping[str, Any]) -> tuple[str, ...]:
    """What runs must share for one to tell of the other: model, tuning, quantisation.

    Args:
        config: Of a run or of a record, as plain values.
    """
    lora = config["lora"]
    return config["model"]["name"], lora["method"], str(lora["load_in_4bit"])


def memory_ratio(record: Record) -> float | None:
    """Measured over expected peak memory of a finished run; ``None`` without an estimate."""
    expected = record.estimate.get("memory")
    return record.cost.peak_memory_bytes / expected if expected else None


def time_ratio(record: Record) -> float | None:
    """Measured over expected seconds of a finished run; ``None`` without an estimate."""
    expected = record.estimate.get("seconds")
    return (
        (record.cost.seconds_train + record.cost.seconds_evaluate) / expected if expected else None
    )


def missed(record: Record) -> str:
    """How far an estimate was off, in words; empty where there was none."""
    ratios = (("memory", memory_ratio(record)), ("time", time_ratio(record)))
    told = [f"{name} {ratio:.1f} x" for name, ratio in ratios if ratio is not None]
    return f"{', '.join(told)} of the estimate" if told else ""


class Correction(NamedTuple):
    """What finished runs of a kind took, in multiples of what was expected of them."""

    memory: float = 1.0
    seconds: float = 1.0

    def of(self, raw: Estimate) -> Estimate:
        """An estimate for another run of that kind."""
        return replace(
            raw,
            memory=int(raw.memory * self.memory),
            seconds=raw.seconds * self.seconds,
            scoring=raw.scoring * self.seconds,
        )


def correction(past: Sequence[Record]) -> Correction:
    """By the medians of finished runs that share a :func:`kind`."""
    return Correction(_middle(map(memory_ratio, past)), _middle(map(time_ratio, past)))


def _middle(ratios: Iterable[float | None]) -> float:
    known = [ratio for ratio in ratios if ratio is not None]
    return median(known) if known else 1.0
