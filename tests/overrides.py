"""What tests say on the command line, and configurations made without Hydra where it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mtsweep.compose import Job, compose
from mtsweep.config import RunConfig, validate
from mtsweep.errors import ConfigError, Problem

CONF = Path(__file__).parents[1] / "conf"
SHIPPED = [(path.parent.name, path.stem) for path in sorted(CONF.glob("*/*.yaml"))]
"""Every group option in the repository's ``conf/``."""

GIVEN = {
    ("model", "causal"): ["model.name=owner/name"],
    ("model", "seq2seq"): ["model.name=owner/name"],
    ("data", "files"): [
        "data.source_lang=eng_Latn",
        "data.target_lang=spa_Latn",
        "data.train_file=pairs.jsonl",
    ],
    ("data", "gettext"): ["data.package=django"],
    ("data", "hub"): [
        "data.source_lang=eng_Latn",
        "data.target_lang=spa_Latn",
        "data.dataset=owner/name",
    ],
    ("data", "chat"): ["data.train_file=chats.jsonl"],
    ("data", "combined"): ["data.mix=[{source: phrasebook}]"],
    ("data", "synthetic"): ["data.synthetic_file=pairs.jsonl"],
    ("synthesis", "local"): ["synthesis.model=some-model"],
    ("synthesis", "translate"): ["synthesis.run=best"],
}
"""What the options with ``???`` in them must be given."""


def option(group: str, name: str) -> dict[str, Any]:
    return yaml.safe_load((CONF / group / f"{name}.yaml").read_text(encoding="utf-8"))


def values(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """The default configuration as plain values, with options chosen and dotted keys set."""
    changes = changes or {}
    defaults = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))["defaults"]
    chosen = {
        group: changes.get(group, name)
        for entry in defaults
        if isinstance(entry, dict)
        for group, name in entry.items()
        if name is not None and not group.startswith("override ")
    }
    made: dict[str, Any] = {group: option(group, name) for group, name in chosen.items()}
    for key, value in changes.items():
        if key not in chosen:
            *sections, leaf = key.split(".")
            place = made
            for section in sections:
                place = place.setdefault(section, {})
            place[leaf] = value
    return made


def config(changes: dict[str, Any] | None = None) -> RunConfig:
    made = validate(values(changes))
    assert isinstance(made, RunConfig), made
    return made


def problems_of(changes: dict[str, Any]) -> list[Problem]:
    found = validate(values(changes))
    assert isinstance(found, list), "nothing was found wrong"
    return found


def job(changes: dict[str, Any] | None = None, overrides: str = "") -> Job:
    return Job(config(changes), overrides)


def composed(*arguments: str) -> list[Job]:
    return compose(arguments, lambda _jobs: pytest.fail("another launcher was asked"))


def refused(*arguments: str) -> ConfigError:
    """The complaint about a command line."""
    with pytest.raises(ConfigError) as caught:
        composed(*arguments)
    return caught.value
