"""A command line, composed by Hydra and validated: the runs that it asks for, or a search."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from mtsweep.compose.complaints import hydra_errors
from mtsweep.compose.composer import Composer, plain
from mtsweep.compose.folders import conf_dirs
from mtsweep.compose.jobs import Job, jobs_of
from mtsweep.compose.overrides import check
from mtsweep.compose.search import Search
from mtsweep.errors import ConfigError, Problem, UserError
from mtsweep.space import Space

if TYPE_CHECKING:
    from omegaconf import DictConfig


Execute = Callable[[list[Job]], None]
"""What takes the runs of a command."""


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
    checked, problems = check(arguments)
    if problems:
        raise ConfigError([*problems, *_value_problems(checked)])
    task = _Task(execute)
    main = hydra.main(config_path=str(conf_dirs()[-1]), config_name="config", version_base="1.3")
    # Hydra prints and exits by itself unless this is set; we word errors and choose exit codes.
    with _environment("HYDRA_FULL_ERROR", "1"), _argv(["mtsweep", *checked]), hydra_errors():
        main(task)()
        jobs = jobs_of(task.composed, task.overrides, task.launcher)
    if any(job.config.sweep.search for job in jobs):
        raise UserError("sweep.search: a search is a sweep: mtsweep -m sweep=optuna …")
    return task.wanted or jobs


def _value_problems(arguments: list[str]) -> list[Problem]:
    """What else is wrong once the unknown keys are left out."""
    try:
        compose(arguments, lambda _jobs: None)
    except ConfigError as error:
        return list(error.problems)
    return []


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
            self.execute(jobs_of([plain(composed)], [HydraConfig.get().overrides.task], {}))
        else:
            self.launcher = _launcher_options(HydraConfig.get().launcher)
            self.composed.append(plain(composed))
            self.overrides.append([])

    def compose_all(
        self,
        load: Callable[[Sequence[str]], DictConfig],
        overrides: Sequence[Sequence[str]],
        launcher: Mapping[str, Any],
    ) -> None:
        """Take all runs of a sweep, each by its overrides, and what their launcher is told."""
        self.launcher = launcher
        composed = Composer(load)
        for own in overrides:
            self.composed.append(composed(own))
            self.overrides.append(own)

    def search(
        self,
        load: Callable[[Sequence[str]], DictConfig],
        space: Space,
        launcher: Mapping[str, Any],
    ) -> None:
        """Take a space whose points become runs later, and what their launcher is told.

        Raises:
            ConfigError: for every problem of the space.
        """
        if problems := space.problems():
            raise ConfigError(problems)
        self.wanted = Search(space, Composer(load), launcher)


def _launcher_options(options: DictConfig) -> dict[str, Any]:
    from omegaconf import OmegaConf

    values = OmegaConf.to_container(options, resolve=True)
    # Of a single run a launcher of somebody else's has no part.
    ours = isinstance(values, dict) and "mtsweep_plugins" in str(values.get("_target_"))
    return {str(key): value for key, value in values.items()} if ours else {}  # type: ignore[union-attr]


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
