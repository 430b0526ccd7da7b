"""Seconds of a run: arithmetic, or the launching of kernels where a GPU waits for that."""

from __future__ import annotations

from typing import NamedTuple

from mtsweep import device
from mtsweep.config import RunConfig
from mtsweep.data.pairs import Corpus
from mtsweep.estimate.lengths import Lengths
from mtsweep.estimate.shape import Shape

_FLOPS = {"cpu": 6e10, "gpu": 4e13}
"""Sustained in training: per core of a CPU, or of a GPU. Finished runs tell better."""
_DECODING = 8.0
"""How much slower a token is generated than read."""
_LAUNCHING = {"step": 5e-3, "token": 1.5e-3}
"""Seconds a layer, on a GPU: to train on a micro-batch, however small it is, and to generate a
token, of however many texts (an H100 in a virtual machine took 7 and 3 ms; others are faster)."""


class Seconds(NamedTuple):
    """Of the two halves of a run."""

    training: float
    scoring: float


def seconds(
    config: RunConfig, size: Shape, corpus: Corpus, lengths: Lengths, *, on_gpu: bool
) -> Seconds:
    """What a run takes.

    Args:
        config: Of the run.
        size: Of its model.
        corpus: Its pairs.
        lengths: Of them.
        on_gpu: Whether it has a GPU.
    """
    trainer, decoding = config.trainer, config.decoding
    speed = _FLOPS["gpu"] if on_gpu else _FLOPS["cpu"] * device.cores()
    updates = trainer.max_steps or trainer.num_train_epochs * len(corpus.train) / trainer.batch
    steps = 0 if config.lora.method == "untouched" else updates
    micro = steps * trainer.gradient_accumulation_steps
    read = micro * trainer.per_device_train_batch_size * lengths.typical
    passes = 3 if config.lora.method == "none" else 2
    said = len(corpus.test)
    if corpus.is_chat:  # read whole, and some of them answered
        said = min(config.evaluation.answers, said)
    generated = said * lengths.plain * decoding.num_beams
    rest = lengths.typical if corpus.is_chat else lengths.typical - lengths.plain
    scored = _DECODING * generated + len(corpus.test) * rest
    training = 2 * size.parameters * passes * read / speed
    scoring = 2 * size.parameters * scored / speed
    if on_gpu:
        batches = -(-said // decoding.batch_size)
        training = max(training, _LAUNCHING["step"] * size.layers * micro)
        scoring = max(scoring, _LAUNCHING["token"] * size.layers * batches * lengths.plain)
    return Seconds(training, scoring)
