"""From the overrides of runs to their plain values, many at once."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from mtsweep.errors import UserError

if TYPE_CHECKING:
    from omegaconf import DictConfig


class Composer:
    """From the overrides of a run to its plain values.

    Hydra takes 50 ms to compose a run. Runs that choose the same options and differ in plain
    values alone are composed once; the values are put in as Hydra would put them in.
    """

    def __init__(self, load: Callable[[Sequence[str]], DictConfig]) -> None:
        self.load = load
        self.known: dict[tuple[str, ...], dict[str, Any] | None] = {}
        self.read = cache(_plain_value)

    def __call__(self, own: Sequence[str]) -> dict[str, Any]:
        """The values of the run that has these overrides."""
        values = {text: self.read(text) for text in own}
        rest = tuple(text for text, value in values.items() if value is None)
        if rest not in self.known:
            self.known[rest] = _without_references(self.load(rest))
        shared = self.known[rest]
        if shared is None:
            return plain(self.load(own))
        return _with_values(shared, filter(None, values.values()))


def plain(composed: DictConfig) -> dict[str, Any]:
    """The values of a run, references resolved, Hydra's own apart."""
    from omegaconf import OmegaConf

    values = OmegaConf.to_container(composed, resolve=True, throw_on_missing=False)
    if not isinstance(values, dict):
        raise UserError("the configuration is no mapping")
    return {str(key): value for key, value in values.items() if key != "hydra"}


def _plain_value(text: str) -> tuple[str, Any] | None:
    """Key and value of an override that sets one plain value, and does nothing else."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    if not text.startswith("++"):
        return None
    override = OverridesParser.create().parse_override(text)
    value = override.value()
    simple = value is None or isinstance(value, bool | int | float | str)
    if isinstance(value, list):
        simple = all(isinstance(each, bool | int | float | str) for each in value)
    return (override.key_or_group, value) if simple and "${" not in text else None


def _without_references(composed: DictConfig) -> dict[str, Any] | None:
    """Plain values, unless some refer to others: then a value may change more than its key."""
    from omegaconf import OmegaConf

    raw = OmegaConf.to_container(composed, resolve=False, throw_on_missing=False)
    told = {str(key): value for key, value in dict(raw).items() if key != "hydra"}  # type: ignore[arg-type]
    return None if "${" in json.dumps(told, default=str) else told


def _with_values(shared: dict[str, Any], values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    made = copy.deepcopy(shared)
    for key, value in values:
        *sections, leaf = key.split(".")
        place = made
        for section in sections:
            inner = place.get(section)
            if not isinstance(inner, dict):
                inner = place[section] = {}
            place = inner
        place[leaf] = value
    return made
