"""Every key that may be set, and what a key that does not exist may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from types import GenericAlias, UnionType
from typing import Any, get_args

from pydantic import BaseModel

from mtsweep import arguments
from mtsweep.config.run import RunConfig
from mtsweep.config.tracking import MOVED


def known_keys(kind: arguments.Kind | None = None) -> list[str]:
    """Every dotted key that may be set; trainer fields of ``kind``, or of both kinds."""
    keys = list(_keys(RunConfig, ""))
    for each in (kind,) if kind else get_args(arguments.Kind):
        keys.extend(f"trainer.{name}" for name in arguments.fields(each))
    return list(dict.fromkeys(keys))


OPEN = ("evaluation.also",)
"""Keys whose values have names of the user's own below them."""


def is_key(key: str, known: list[str]) -> bool:
    """Whether a dotted key may be set to a value: a known one, or one below an open one."""
    return key in known or any(key.startswith(f"{name}.") for name in OPEN)


def _keys(section: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        inner = [each for each in _members(field.annotation) if issubclass(each, BaseModel)]
        if inner:
            yield from _keys(inner[0], f"{prefix}{name}.")
        else:
            yield prefix + name


def _members(annotation: object) -> Iterator[type]:
    """A type, or the members of a union of types (``Section | None``)."""
    for each in get_args(annotation) if isinstance(annotation, UnionType) else [annotation]:
        if isinstance(each, type) and not isinstance(each, GenericAlias):
            yield each


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded configuration with the defaults of fields that were not there at its time."""
    told = dict(config)
    for name, field in RunConfig.model_fields.items():
        sections = [each for each in _members(field.annotation) if issubclass(each, BaseModel)]
        if sections and isinstance(told.get(name), Mapping):
            fields = sections[0].model_fields.items()
            defaults = {key: _plain(each.default) for key, each in fields if not each.is_required()}
            told[name] = {**defaults, **told[name]}
    return told


def _plain(value: object) -> object:
    """A default as JSON has it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return list(value) if isinstance(value, tuple) else value


def unknown(key: str, known: list[str] | None = None) -> str:
    """Complaint about a key that does not exist, with the nearest that does."""
    section, _, leaf = key.partition(".")
    if section == "tracking" and leaf in MOVED:
        return f"is tracking.wandb.{leaf} now"
    if key == "tracking.name":
        return "is told by the option: tracking=wandb, trackio, none, or [wandb,trackio]"
    known = known or known_keys()
    meant = difflib.get_close_matches(key, known, n=1, cutoff=0.7)
    if not meant:
        leaves = {candidate.rpartition(".")[2]: candidate for candidate in reversed(known)}
        near = difflib.get_close_matches(key.rpartition(".")[2], list(leaves), n=1, cutoff=0.75)
        meant = [leaves[leaf] for leaf in near]
    return f"no such key; did you mean {meant[0]}?" if meant else "no such key; see --help"
