"""Further test sets: what ``evaluation.also`` says, as data sections of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from mtsweep.config.data import DataConfig
from mtsweep.config.run import RunConfig

TAKEN = {"test", "probes", "base"}
"""Names that mean something else already."""
_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,63}")


def also(config: RunConfig) -> dict[str, DataConfig]:
    """The data section of every further test set, by name.

    Raises:
        ValidationError: for what :func:`also_problems` tells.
    """
    return {
        name: DataConfig.model_validate(_values(config, name, changes))
        for name, changes in config.evaluation.also.items()
    }


def _values(config: RunConfig, name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """The run's own section with the changes in it; of training pairs nothing is needed."""
    own = {key: getattr(config.data, key) for key in config.data.model_fields_set}
    # What is trained on says nothing about another test set.
    for key in ("size", "synthetic_file", "synthetic_share", "license"):
        own.pop(key, None)
    return {**own, "name": name, **changes}


def also_problems(config: RunConfig) -> Iterator[tuple[str, ValidationError | str]]:
    """Key and complaint of every further test set that is none."""
    for name, changes in config.evaluation.also.items():
        key = f"evaluation.also.{name}"
        if name in TAKEN or not _NAME.fullmatch(name):
            yield (
                key,
                f"{name!r} cannot be the name of a test set: letters, digits, - and _, and none of "
                f"{', '.join(sorted(TAKEN))}",
            )
            continue
        try:
            DataConfig.model_validate(_values(config, name, changes))
        except ValidationError as error:
            yield key, error
