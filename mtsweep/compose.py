"""Composition: groups and overrides to plain values. The only module that knows Hydra."""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtsweep.config import RunConfig, is_key, known_keys, unknown, validate
from mtsweep.config.launcher import Launcher, Local, is_launcher_key, launcher, launcher_keys
from mtsweep.errors import ConfigError, Problem, UserError
from mtsweep.space import Point, Space, shown

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override
    from omegaconf import DictConfig


@dataclass(frozen=True)
class Job:
    """One run as it was asked for."""

    config: RunConfig
    overrides: str
    """What tells it from the other runs of its command; empty for a single run."""
    launcher: Launcher = Local()
    """Where the command's runs are done."""


@dataclass(frozen=True)
class Search:
    """A search as it was asked for."""

    space: Space
    _composed: Callable[[Sequence[str]], dict[str, Any]]

    def jobs(self, point: Point) -> list[Job]:
        """The runs of a point: one, or one a seed.

        Raises:
            ConfigError: for every problem of it.
        """
        chosen = [f"{key}={value}" for key, value in point.items()]
        # An override named twice is Hydra's last one.
        fixed = [text for text in self.space.fixed if text.partition("=")[0] not in point]
        overrides = [[*fixed, *chosen, seed] for seed in self.space.seeds] or [[*fixed, *chosen]]
        setting = self.space.named(point)
        told = [
            ", ".join(filter(None, (setting, shown(seed)))) for seed in self.space.seeds or [""]
        ]
        with _hydra_errors():
            return _validated([_judged(self._composed(own)) for own in overrides], told, {})


def _judged(values: dict[str, Any]) -> dict[str, Any]:
    """The values of a search's run, with what it is compared by: the step is chosen by it too."""
    sweep, trainer = values.get("sweep") or {}, values.get("trainer") or {}
    usual = "eval_loss" if (values.get("data") or {}).get("form") == "chat" else "chrf"
    chosen = trainer.get("metric_for_best_model") or sweep.get("metric") or usual
    told = {**sweep, "metric": sweep.get("metric") or chosen}
    return {**values, "sweep": told, "trainer": {**trainer, "metric_for_best_model": chosen}}


Execute = Callable[[list[Job]], None]
"""What takes the runs of a command."""


def conf_dirs() -> list[Path]:
    """Folders that hold config groups: the user's own ``./conf`` first, then the shipped ones."""
    here = Path(__file__).parent
    shipped = next(path for path in (here / "conf", here.parent / "conf") if path.is_dir())
    own = Path.cwd() / "conf"
    return [own, shipped] if own.is_dir() and own.resolve() != shipped.resolve() else [shipped]


def groups() -> dict[str, dict[str, str]]:
    """Group name to its options, and each option to the first comment line of its file."""
    found: dict[str, dict[str, str]] = {}
    for folder in reversed(conf_dirs()):
        for file in sorted(folder.glob("*/*.yaml")):
            found.setdefault(file.parent.name, {})[file.stem] = _opening(file)
    return found


def _opening(file: Path) -> str:
    """The first comment line of a YAML file, Hydra's ``@package`` apart."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.startswith("#"):
                return ""
            if "@package" not in line:
                return line.removeprefix("#").strip()
    return ""


def question(arguments: Sequence[str]) -> dict[str, str]:
    """Question and expectation that the experiment of a command line opens with, where it does."""
    names = [text.partition("=")[2] for text in arguments if text.startswith("experiment=")]
    told: dict[str, str] = {}
    for folder in conf_dirs() if len(names) == 1 else []:
        file = folder / "experiment" / f"{names[0]}.yaml"
        if not file.is_file():
            continue
        lines = itertools.takewhile(
            lambda line: line.startswith("#"), file.read_text(encoding="utf-8").splitlines()
        )
        text = " ".join(line.removeprefix("#").strip() for line in lines)
        parts = re.split(r"\b(Question|Command|Expectation|Cost): ", text)
        told = {
            name.lower(): said.strip() for name, said in zip(parts[1::2], parts[2::2], strict=True)
        }
        break
    return {key: told[key] for key in ("question", "expectation") if told.get(key)}


def compose(arguments: Sequence[str], execute: Execute) -> list[Job]:
    """The runs that a command line asks for, which is no search; as :func:`asked`.

    Raises:
        ConfigError: for every problem of every run.
        UserError: if it is a search.
    """
    found = asked(arguments, execute)
    if isinstance(found, Search):
        raise UserError("sweep.search: only a sweep can be a search, and its plan; use sweep=grid")
    return found


def asked(arguments: Sequence[str], execute: Execute) -> list[Job] | Search:
    """The runs that a command line asks for, composed by Hydra and validated all together.

    Args:
        arguments: Hydra's command line: flags and overrides.
        execute: What a launcher that is not ours calls, in its own process, for each run.

    Returns:
        The runs; none under a launcher that is not ours, or where Hydra only printed something.
        With ``sweep=optuna`` a search instead.

    Raises:
        ConfigError: for every problem of every run.
    """
    import hydra

    _register_plugins()
    checked = _checked(arguments)
    task = _Task(execute)
    main = hydra.main(config_path=str(conf_dirs()[-1]), config_name="config", version_base="1.3")
    # Hydra prints and exits by itself unless this is set; we word errors and choose exit codes.
    with _environment("HYDRA_FULL_ERROR", "1"), _argv(["mtsweep", *checked]), _hydra_errors():
        main(task)()
        jobs = _jobs(task.composed, task.overrides, task.launcher)
    if any(job.config.sweep.search for job in jobs):
        raise UserError("sweep.search: a search is a sweep: mtsweep -m sweep=optuna …")
    return task.wanted or jobs


@contextmanager
def _hydra_errors() -> Iterator[None]:
    """Within it, what Hydra raises becomes a problem of the configuration."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    try:
        yield
    except (HydraException, OmegaConfBaseException, ValueError, YAMLError) as error:
        raise ConfigError([_hydra_problem(error)]) from error


@cache
def _register_plugins() -> None:
    """See to it that ours are what their names mean, whatever else is installed."""
    from hydra.core.plugins import Plugins

    from hydra_plugins.mtsweep_plugins.local import register

    Plugins.instance()
    register()


class _Task:
    """The task function.

    A single run and our launchers leave their work here; other launchers call it with one run at a
    time, in a process of their own.
    """

    def __init__(self, execute: Execute) -> None:
        self.execute = execute
        self.composed: list[dict[str, Any]] = []
        self.overrides: list[Sequence[str]] = []
        self.launcher: Mapping[str, Any] = {}
        self.wanted: Search | None = None

    def __call__(self, composed: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        if HydraConfig.get().mode == RunMode.MULTIRUN:
            self.execute(_jobs([_plain(composed)], [HydraConfig.get().overrides.task], {}))
        else:
            self.launcher = _launcher_options(HydraConfig.get().launcher)
            self.composed.append(_plain(composed))
            self.overrides.append([])

    def compose_all(
        self,
        load: Callable[[Sequence[str]], DictConfig],
        overrides: Sequence[Sequence[str]],
        launcher: Mapping[str, Any],
    ) -> None:
        """Take all runs of a sweep, each by its overrides, and what their launcher is told."""
        self.launcher = launcher
        composed = _Composer(load)
        for own in overrides:
            self.composed.append(composed(own))
            self.overrides.append(own)

    def search(self, load: Callable[[Sequence[str]], DictConfig], space: Space) -> None:
        """Take a space whose points become runs later.

        Raises:
            ConfigError: for every problem of the space.
        """
        if problems := space.problems():
            raise ConfigError(problems)
        self.wanted = Search(space, _Composer(load))


class _Composer:
    """From the overrides of a run to its plain values.

    Hydra takes 50 ms to compose a run. Runs that choose the same options and differ in plain
    values alone are composed once; the values are put in as Hydra would put them in.
    """

    def __init__(self, load: Callable[[Sequence[str]], DictConfig]) -> None:
        self.load = load
        self.known: dict[tuple[str, ...], dict[str, Any] | None] = {}
        self.read = cache(_plain_value)

    def __call__(self, own: Sequence[str]) -> dict[str, Any]:
        values = {text: self.read(text) for text in own}
        rest = tuple(text for text, value in values.items() if value is None)
        if rest not in self.known:
            self.known[rest] = _without_references(self.load(rest))
        shared = self.known[rest]
        if shared is None:
            return _plain(self.load(own))
        return _with_values(shared, filter(None, values.values()))


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


def _launcher_options(options: DictConfig) -> dict[str, Any]:
    from omegaconf import OmegaConf

    values = OmegaConf.to_container(options, resolve=True)
    # Of a single run a launcher of somebody else's has no part.
    ours = isinstance(values, dict) and "mtsweep_plugins" in str(values.get("_target_"))
    return {str(key): value for key, value in values.items()} if ours else {}  # type: ignore[union-attr]


def _jobs(
    composed: Sequence[dict[str, Any]],
    overrides: Sequence[Sequence[str]],
    options: Mapping[str, Any],
) -> list[Job]:
    return _validated(composed, [_spelt(own) for own in _telling(overrides)], options)


def _spelt(overrides: Iterable[str]) -> str:
    r"""Overrides as people write them; Hydra's grammar writes layers:2 as layers\:2."""
    return ", ".join(shown(each).replace("\\:", ":") for each in overrides)


def _validated(
    composed: Sequence[dict[str, Any]], told: Sequence[str], options: Mapping[str, Any]
) -> list[Job]:
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


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def _argv(argv: list[str]) -> Iterator[None]:
    before, sys.argv = sys.argv, argv
    try:
        yield
    finally:
        sys.argv = before


def _plain(composed: DictConfig) -> dict[str, Any]:
    from omegaconf import OmegaConf

    values = OmegaConf.to_container(composed, resolve=True, throw_on_missing=False)
    if not isinstance(values, dict):
        raise UserError("the configuration is no mapping")
    return {str(key): value for key, value in values.items() if key != "hydra"}


def _telling(overrides: Sequence[Sequence[str]]) -> list[list[str]]:
    """Per run, the overrides that not every run has; of a single run, none."""
    if len(overrides) == 1:
        return [[]]
    common = Counter(each for own in overrides for each in set(own))
    return [[each for each in own if common[each] < len(overrides)] for own in overrides]


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


def _checked(arguments: Sequence[str]) -> list[str]:
    """The arguments with every key known, and ready for keys that the YAML leaves out.

    Raises:
        ConfigError: for each unknown key or option; those of the values of the rest come with it.
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
            problems.append(Problem(text, _first_line(error)))
            continue
        found = list(_override_problems(override, known, options))
        if override.is_sweep_override() and not parsed.multirun:
            found.append(
                Problem(override.key_or_group, f"several values need -m: mtsweep -m {text}")
            )
        problems.extend(found)
        if not found:
            ready[text] = _ready(override, text, known, options)
    if problems:
        good = [ready.get(text, text) for text in arguments if text in ready or text not in texts]
        raise ConfigError([*problems, *_value_problems(good)])
    return [ready.get(text, text) for text in arguments]


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


_OPTIONAL = {"experiment", "synthesis"}
"""Groups that may be null."""


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


def _value_problems(arguments: list[str]) -> list[Problem]:
    """What else is wrong once the unknown keys are left out."""
    try:
        compose(arguments, lambda _jobs: None)
    except ConfigError as error:
        return list(error.problems)
    return []


def _exit_by_raising(parser: argparse.ArgumentParser) -> None:
    def error(message: str) -> None:
        raise UserError(f"{message}; see python -m mtsweep --help")

    parser.error = error  # type: ignore[method-assign,assignment]


def _hydra_problem(error: Exception) -> Problem:
    from yaml import YAMLError

    cause = error.__cause__
    text = " ".join(str(error).split()) if isinstance(error, YAMLError) else _first_line(error)
    if cause is not None and (reason := _first_line(cause)) not in text:
        text = f"{text} ({reason})"
    return Problem(str(getattr(cause, "full_key", "") or "command line"), text)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))
