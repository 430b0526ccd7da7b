"""Which parameters and layers of a model are meant by ``model.freeze``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mtsweep.config import ModelConfig
from mtsweep.errors import RunFailedError

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

_LAYERS = {"layers", "h", "block", "blocks"}
"""What model classes call their list of layers."""


def freeze(model: PreTrainedModel, config: ModelConfig) -> None:
    """Exclude the frozen parts of a model from training."""
    named: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        named.setdefault(id(parameter), []).append(name)
    places = prefixes(model, config)
    for parameter in model.parameters():
        names = named[id(parameter)]
        inside = [name.startswith(tuple(f"{place}." for place in places)) for name in names]
        # Embeddings that encoder and decoder share are no part of the encoder.
        embedding = "embeddings" in (config.freeze or ()) and any(
            name.rpartition(".")[0] in _embeddings(model) for name in names
        )
        if all(inside) or embedding:
            parameter.requires_grad_(False)  # noqa: FBT003 - as torch calls it


def excluded(model: PreTrainedModel, config: ModelConfig) -> str | None:
    """PEFT's ``exclude_modules``: a pattern of the modules that get no adapter; ``None``: none."""
    places = prefixes(model, config)
    embeddings = _embeddings(model) if "embeddings" in (config.freeze or ()) else []
    told = [rf"{re.escape(place)}\..*" for place in places] + [re.escape(e) for e in embeddings]
    return "|".join(told) or None


def prefixes(model: PreTrainedModel, config: ModelConfig) -> list[str]:
    """Names of the frozen layers, and of a frozen encoder.

    Raises:
        RunFailedError: if the layers of the model cannot be told.
    """
    found = []
    if "encoder" in (config.freeze or ()):
        encoder = model.get_encoder()
        found += [name for name, module in model.named_modules() if module is encoder]
    if config.frozen_layers:
        lists = list(_lists(model))
        if not lists:
            raise RunFailedError(
                f"model.freeze: the layers of {type(model).__name__} cannot be told"
            )
        found += [
            f"{name}.{number}"
            for name, layers in lists
            for number in range(min(config.frozen_layers, len(layers)))
        ]
    return found


def _embeddings(model: PreTrainedModel) -> list[str]:
    from torch import nn

    return [name for name, module in model.named_modules() if isinstance(module, nn.Embedding)]


def _lists(model: PreTrainedModel) -> Iterator[tuple[str, nn.ModuleList]]:
    """The lists of layers: one of a decoder, two of an encoder-decoder."""
    from torch import nn

    outer: list[str] = []
    for name, module in model.named_modules():
        within = any(name.startswith(f"{each}.") for each in outer)
        if isinstance(module, nn.ModuleList) and not within and name.split(".")[-1] in _LAYERS:
            outer.append(name)
            yield name, module
