"""From the plain values of a command's runs to typed ones: all problems of all runs at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtsweep.config import RunConfig, validate
from mtsweep.config.launcher import Launcher, Local, launcher
from mtsweep.errors import ConfigError, Problem
from mtsweep.space import shown


@dataclass(frozen=True)
class Job:
    """One run as it was asked for."""

    config: RunConfig
    overrides: str
    """What tells it from the other runs of its command; empty for a single run."""
    launcher: Launcher = Local()
    """Where the command's runs are done."""


def jobs_of(
    composed: Sequence[dict[str, Any]],
    overrides: Sequence[Sequence[str]],
    options: Mapping[str, Any],
) -> list[Job]:
    """Runs from their plain values and their overrides.

    Args:
        composed: Per run, its values.
        overrides: Per run, what Hydra composed it from.
        options: What their launcher is told.

    Raises:
        ConfigError: for every problem of every run.
    """
    return validated(composed, [_spelt(own) for own in _telling(overrides)], options)


def _spelt(overrides: Iterable[str]) -> str:
    r"""Overrides as people write them; Hydra's grammar writes layers:2 as layers\:2."""
    return ", ".join(shown(each).replace("\\:", ":") for each in overrides)


def _telling(overrides: Sequence[Sequence[str]]) -> list[list[str]]:
    """Per run, the overrides that not every run has; of a single run, none."""
    if len(overrides) == 1:
        return [[]]
    common = Counter(each for own in overrides for each in set(own))
    return [[each for each in own if common[each] < len(overrides)] for own in overrides]


def validated(
    composed: Sequence[dict[str, Any]], told: Sequence[str], options: Mapping[str, Any]
) -> list[Job]:
    """Runs from their plain values, and what tells each from the others.

    Raises:
        ConfigError: for every problem of every run.
    """
    results = [validate(each, own) for each, own in zip(composed, told, strict=True)]
    problems = [problem for result in results if isinstance(result, list) for problem in result]
    there = launcher(options)
    if problems or isinstance(there, list):
        found = _merged(problems, len(results))
        raise ConfigError([*found, *there] if isinstance(there, list) else found)
    return [
        Job(result, own, there)
        for result, own in zip(results, told, strict=True)
        if isinstance(result, RunConfig)
    ]


def _merged(problems: list[Problem], runs: int) -> list[Problem]:
    """A complaint that every run shares is told once, without a run."""
    counted: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        counted.setdefault((problem.key, problem.complaint), []).append(problem)
    return [
        Problem(*what) if len(told) == runs else problem
        for what, told in counted.items()
        for problem in told
    ]
