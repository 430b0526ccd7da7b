"""Plain values to one frozen :class:`RunConfig`, or to everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mtsweep.config.checks import cross_checks, must_be_given
from mtsweep.config.keys import known_keys, unknown
from mtsweep.config.run import RunConfig
from mtsweep.errors import Problem

MISSING = "???"
"""OmegaConf's mark of a value that must be given."""


def validate(values: Mapping[str, Any], run: str = "") -> RunConfig | list[Problem]:
    """The typed configuration of a run, or everything that is wrong with it.

    Args:
        values: Plain values as Hydra composed them, interpolations resolved.
        run: Overrides that tell this run from its siblings, for the complaints.
    """
    missing = [
        Problem(key, must_be_given(key), run)
        for key, value in _leaves(values, "")
        if value == MISSING
    ]
    try:
        config = RunConfig.model_validate(values)
    except ValidationError as error:
        absent = {problem.key for problem in missing}
        found = [_problem(detail, run) for detail in _told_once(error.errors())]
        return missing + [problem for problem in found if problem.key not in absent]
    problems = missing + [Problem(key, text, run) for key, text in cross_checks(config)]
    return problems or config


def _told_once(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without lists that are short only because what is in them is wrong."""
    wrong = {detail["loc"][:-1] for detail in details}
    return [each for each in details if each["type"] != "too_short" or each["loc"] not in wrong]


def _leaves(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _problem(detail: ErrorDetails, run: str) -> Problem:
    steps = [str(step) for step in detail["loc"]]
    known = known_keys()
    # A union reports once per member, with the member's name behind the key.
    while len(steps) > 1 and ".".join(steps) not in known and ".".join(steps[:-1]) in known:
        steps.pop()
    key = ".".join(steps)
    if detail["type"] == "extra_forbidden":
        return Problem(key, unknown(key), run)
    if detail["type"] == "missing":
        return Problem(key, must_be_given(key), run)
    if detail["type"] == "too_short":
        return Problem(key, "is empty; at least one value is needed", run)
    message = detail["msg"].removeprefix("Input should be ")
    if message == detail["msg"] or detail["type"] == "refused":
        return Problem(key, message, run)
    return Problem(key, f"should be {message}, not {detail['input']!r}", run)
