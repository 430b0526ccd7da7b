"""The keys and options of a command line, checked before Hydra sees them.

Hydra's own hint about an unknown key is bad advice (to append it), so each is answered here with
what was probably meant.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mtsweep.compose.complaints import first_line
from mtsweep.compose.folders import conf_dirs, groups
from mtsweep.config import is_key, known_keys, unknown
from mtsweep.config.launcher import is_launcher_key, launcher_keys
from mtsweep.errors import Problem, UserError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override


_OPTIONAL = {"experiment", "synthesis"}
"""Groups that may be null."""


def check(arguments: Sequence[str]) -> tuple[list[str], list[Problem]]:
    """The arguments whose keys are known, ready for keys that the YAML leaves out, and the rest.

    Returns:
        What Hydra may see, and a problem for each unknown key or option.
    """
    from hydra._internal.utils import get_args_parser
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = get_args_parser()
    _exit_by_raising(parser)
    parsed = parser.parse_args(list(arguments))
    texts = list(parsed.overrides)
    known, options = known_keys(), groups()
    problems: list[Problem] = []
    ready: dict[str, str] = {}
    for text in texts:
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException as error:
            bare = "=" not in text and not text.startswith("~")
            told = f"has no value; {text}=… sets one" if bare else first_line(error)
            problems.append(Problem(text, told))
            continue
        found = list(_override_problems(override, known, options))
        if override.is_sweep_override() and not parsed.multirun:
            found.append(
                Problem(override.key_or_group, f"several values need -m: mtsweep -m {text}")
            )
        problems.extend(found)
        if not found:
            ready[text] = _ready(override, text, known, options)
    good = [ready.get(text, text) for text in arguments if text in ready or text not in texts]
    return good, problems


def _override_problems(
    override: Override, known: list[str], options: dict[str, dict[str, str]]
) -> Iterator[Problem]:
    key = override.key_or_group
    if override.is_delete():
        return  # what is missing then is told by the schema
    if key in options:
        for choice in _choices(override):
            if choice is None and key in _OPTIONAL:
                continue
            if str(choice) not in options[key]:
                listed = ", ".join(options[key]) or "none yet"
                yield Problem(key, f"no option {str(choice)!r}; there are: {listed}")
    elif key == "hydra/launcher" or key.startswith("hydra.launcher."):
        yield from _launcher_problems(override)
    elif key == "hydra" or key.startswith(("hydra.", "hydra/")):
        return
    elif not is_key(key, known) and not any(name.startswith(f"{key}.") for name in known):
        if key.partition("/")[0] in options or key.partition(".")[0] not in {"trainer"}:
            yield Problem(key, unknown(key, [*known, *options]))
        else:
            yield Problem(key, unknown(key, known))


def _launcher_problems(override: Override) -> Iterator[Problem]:
    key = override.key_or_group
    if key != "hydra/launcher":
        if not is_launcher_key(key):
            yield Problem(key, unknown(key, launcher_keys()))
        return
    there = _launchers()
    for choice in _choices(override):
        if str(choice) not in there:
            yield Problem(key, f"no option {str(choice)!r}; there are: {', '.join(there)}")


def _launchers() -> list[str]:
    """Ours, those of other packages, and the user's own."""
    from hydra.core.config_store import ConfigStore

    known = [name.removesuffix(".yaml") for name in ConfigStore.instance().list("hydra/launcher")]
    own = [path.stem for folder in conf_dirs() for path in folder.glob("hydra/launcher/*.yaml")]
    return sorted({*known, *own})


def _choices(override: Override) -> Iterator[Any]:
    from hydra.core.override_parser.types import Glob

    value = override.value()
    if isinstance(value, Glob):  # Hydra matches it against what there is
        return
    if override.is_choice_sweep():
        yield from override.sweep_iterator()
        return
    yield from value if isinstance(value, list) else [value]


def _ready(
    override: Override, text: str, known: list[str], options: dict[str, dict[str, str]]
) -> str:
    """A known key is set whether or not the chosen YAML spells it out (Hydra's ``++``)."""
    key = override.key_or_group
    if key in _OPTIONAL and override.value() is None:
        return f"~{key}"
    plain = (is_key(key, known) and key not in options) or is_launcher_key(key)
    return f"++{text.lstrip('+')}" if plain and not text.startswith("~") else text


def _exit_by_raising(parser: argparse.ArgumentParser) -> None:
    def error(message: str) -> None:
        raise UserError(f"{message}; see python -m mtsweep --help")

    parser.error = error  # type: ignore[method-assign,assignment]
