"""An estimate out of a run's configuration alone; finished runs of the model correct it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mtsweep import device
from mtsweep.config import RunConfig
from mtsweep.data.pairs import Corpus
from mtsweep.estimate.figures import Estimate
from mtsweep.estimate.lengths import lengths
from mtsweep.estimate.memory import memory
from mtsweep.estimate.seconds import seconds
from mtsweep.estimate.shape import Shape, shape


def estimate(config: RunConfig, model: Mapping[str, Any], corpus: Corpus) -> Estimate:
    """What a run will take, by its configuration alone.

    Args:
        config: Of the run.
        model: The model's ``config.json``.
        corpus: Its pairs; lengths are guessed from their characters.
    """
    size, on_gpu = shape(model, config.model), bool(device.gpus())
    trained, tokens = _trained(config, size), lengths(config, corpus)
    held = memory(config, size, trained, tokens, on_gpu=on_gpu)
    taken = seconds(config, size, corpus, tokens, on_gpu=on_gpu)
    return Estimate(
        memory=held.peak,
        seconds=taken.training + taken.scoring,
        disk=4 * (size.parameters if config.lora.method == "none" else trained),
        trained=trained,
        least=held.least,
        scoring=taken.scoring,
    )


def _trained(config: RunConfig, size: Shape) -> int:
    """Parameters that are trained."""
    if config.lora.method == "untouched":
        return 0
    if config.lora.method == "none":
        return size.parameters - size.frozen
    return config.lora.r * (size.sides - size.frozen_sides)
