"""One base model in memory, and the runs that share it: adapters, and models trained whole.

A run is put in place for as long as somebody uses it. Where translation merges an adapter into
float32 weights, the merged weights are kept beside the untouched ones, so that going from the one
to the other moves no number; elsewhere the adapter is switched on and off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from mtsweep.config import LoraConfig, RunConfig
from mtsweep.errors import UserError
from mtsweep.models import families
from mtsweep.models.adapters import mergeable
from mtsweep.models.load import Base, load, take_whole
from mtsweep.models.locate import locate
from mtsweep.serve.resolve import Chosen

_PLACED = "placed"


class Variants:
    """Models of runs that share their base.

    Args:
        chosen: The runs; of a run without trained weights there is the untouched model alone.

    Raises:
        UserError: if they start from different models.
    """

    def __init__(self, chosen: Sequence[Chosen]) -> None:
        _same_start(chosen)
        config = chosen[0].config
        located = locate(config.model)
        family = families.recognise(located.config, located.tokenizer_config)
        self.base: Base = load(config.model, _quantisation(chosen), located, family, lambda _: None)
        self._whole: dict[str, Any] = {}
        self._peft: Any = None
        tuned = [each for each in chosen if each.trained is not None]
        for each in tuned:
            if each.config.lora.method == "none":
                twin = replace(self.base)
                take_whole(twin, each.trained)  # type: ignore[arg-type] - filtered above
                self._whole[each.name] = twin.model
        for each in tuned:
            if each.config.lora.method != "none":
                self._add(each)
        self._layers = [] if self._peft is None else mergeable(self._peft)
        self._untouched = [layer.get_base_layer().weight.data for layer in self._layers]
        self._merged: tuple[str, list[Any]] | None = None
        if self._peft is not None:
            self._peft.eval()

    def _add(self, chosen: Chosen) -> None:
        from peft import PeftModel

        if self._peft is None:
            self._peft = PeftModel.from_pretrained(
                self.base.model, str(chosen.trained), adapter_name=chosen.name
            )
        else:
            self._peft.load_adapter(str(chosen.trained), adapter_name=chosen.name)

    @contextmanager
    def placed(self, name: str | None) -> Iterator[Any]:
        """The model of a run, or the untouched one (``None``); of one user at a time.

        The model is this run's until the block is left, and afterwards the next one's.
        """
        if name in self._whole:
            yield self._whole[name]
        elif self._peft is None:
            yield self.base.model
        elif self._layers:
            self._put(self._untouched if name is None else self._weights(name))
            yield self._peft
        elif name is None:
            with self._peft.disable_adapter():
                yield self._peft
        else:
            self._peft.set_adapter(name)
            yield self._peft

    def _weights(self, name: str) -> list[Any]:
        """Untouched weights with a run's update added; those of the run asked for last are kept."""
        if self._merged is None or self._merged[0] != name:
            self._merged = None  # before there are others
            self._put(self._untouched)
            for layer in self._layers:
                layer.merged_adapters.clear()
            self._peft.set_adapter(name)
            self._peft.merge_adapter(adapter_names=[name], safe_merge=True)  # on copies
            self._merged = name, [layer.get_base_layer().weight.data for layer in self._layers]
        return self._merged[1]

    def _put(self, weights: Sequence[Any]) -> None:
        for layer, weight in zip(self._layers, weights, strict=True):
            layer.get_base_layer().weight.data = weight
            # A layer that counts as merged is its weight and nothing else, whatever that holds.
            layer.merged_adapters[:] = [_PLACED]


def _same_start(chosen: Sequence[Chosen]) -> None:
    first = chosen[0]
    for each in chosen[1:]:
        if _start(each.config) != _start(first.config):
            raise UserError(
                f"{each.name} starts from {each.config.model.name}, {first.name} from "
                f"{first.config.model.name}, or in another precision; an app serves runs that "
                "share their base model"
            )


def _start(config: RunConfig) -> tuple[Any, ...]:
    model = config.model.model_copy(update={"freeze": None})
    return model, config.lora.load_in_4bit


def _quantisation(chosen: Sequence[Chosen]) -> LoraConfig:
    """How the base is loaded: as the first tuned run loads it."""
    return next((each for each in chosen if each.trained), chosen[0]).config.lora
