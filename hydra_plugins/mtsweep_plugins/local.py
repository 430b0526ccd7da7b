"""Our Hydra plugins, imported at every start of Hydra: nothing heavy here.

Our launchers take all runs of a sweep at once; ``hydra/sweeper=grid`` is Hydra's basic sweeper
without its rehearsal, which composes every job a second time and writes a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from hydra_plugins.mtsweep_plugins.spaces import space
from mtsweep.config.launcher import defaults
from mtsweep.errors import UserError
from mtsweep.space import Space


class LocalLauncher(Launcher):
    """Composes every job, then leaves all of them with the task function."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra hands over."""
        self.context = hydra_context
        self.task: Any = task_function
        self.config = config

    def launch(
        self,
        job_overrides: Sequence[Sequence[str]],
        initial_job_idx: int,  # noqa: ARG002 - runs are named by content, not counted
    ) -> Sequence[JobReturn]:
        """Run the jobs; their results are records, so nothing is returned to Hydra."""
        self.task.compose_all(self._compose, job_overrides, self._options())
        return []

    def search(self, wanted: Space) -> Sequence[JobReturn]:
        """Leave a space to be searched, and the way from a point in it to a job."""
        self.task.search(self._compose, wanted, self._options())
        return []

    def _options(self) -> Any:  # noqa: ANN401 - a mapping, as OmegaConf makes them
        return OmegaConf.to_container(self.config.hydra.launcher, resolve=True)

    def _compose(self, overrides: Sequence[str]) -> DictConfig:
        job = self.context.config_loader.load_sweep_config(self.config, list(overrides))
        OmegaConf.set_readonly(job, value=False)
        with open_dict(job):
            job.hydra.job.id = job.hydra.job.num = 0
        return job


class JobLauncher(LocalLauncher):
    """The same for jobs of a scheduler (``config/launcher.py``): what it is told goes along."""

    def __init__(self, **_: Any) -> None:  # noqa: ANN401 - read and checked where it is used
        super().__init__()


class GridSweeper(BasicSweeper):
    """The grid that Hydra's basic sweeper spans, handed to the launcher in one piece.

    With ``sweep=optuna`` the same values, and intervals, are a space that is searched.

    Args:
        max_batch_size: Of Hydra's basic sweeper; nothing is split here.
        params: Key to its values: one grid, over all keys.
        grids: Several such grids instead, one after the other; what they share is told once.

    What the command line says of a key takes the place of what a grid says.
    """

    def __init__(
        self,
        max_batch_size: int | None,
        params: dict[str, str] | None = None,
        grids: Sequence[dict[str, str]] | None = None,
    ) -> None:
        super().__init__(max_batch_size, params)
        self.grids = grids or [{}]

    def sweep(self, arguments: list[str]) -> Sequence[JobReturn]:
        """Split the overrides into jobs and launch them."""
        context, launcher = self.hydra_context, self.launcher
        if context is None or launcher is None:
            raise RuntimeError("Hydra did not set the sweeper up")
        parser = OverridesParser.create(config_loader=context.config_loader)
        said = {override.key_or_group for override in parser.parse_overrides(arguments)}
        if self.config is not None and OmegaConf.select(self.config, "sweep.search") is not None:
            if len(self.grids) > 1 or self.grids[0]:
                raise UserError("hydra.sweeper.grids: grids cannot be searched; use sweep=grid")
            if not isinstance(launcher, LocalLauncher):
                raise UserError(
                    "hydra/launcher: a search needs local, submitit_slurm, submitit_local, joblib "
                    "or ray"
                )
            own = [
                f"{key}={value}" for key, value in (self.params or {}).items() if key not in said
            ]
            return launcher.search(space(parser.parse_overrides([*own, *arguments])))
        jobs: list[Sequence[str]] = []
        for grid in self.grids:
            values = {**(self.params or {}), **grid}
            own = [f"{key}={value}" for key, value in values.items() if key not in said]
            overrides = parser.parse_overrides([*own, *arguments])
            for each in overrides:
                if each.is_sweep_override() and not each.is_discrete_sweep():
                    raise UserError(f"{each.key_or_group}: an interval is searched: sweep=optuna")
            for batch in self.split_arguments(overrides, max_batch_size=None):
                jobs.extend(batch)
        return launcher.launch(jobs, initial_job_idx=0)


class OwnGroups(SearchPathPlugin):
    """The user's own config groups, in ``./conf``, stand before the shipped ones."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Put ``./conf`` in front, where there is one."""
        own = Path.cwd() / "conf"
        if own.is_dir():
            search_path.prepend(provider="mtsweep-own", path=f"file://{own}")


_HERE = "hydra_plugins.mtsweep_plugins.local"


def register() -> None:
    """Put our launchers and our sweeper into Hydra's store.

    Packages of Hydra's own have launchers of the same names, which take one run a job; whichever
    was imported last would win, so this is called again once all are there.
    """
    store = ConfigStore.instance()
    nodes: dict[str, dict[str, Any]] = {"local": {"_target_": f"{_HERE}.LocalLauncher"}}
    for name, options in defaults().items():
        nodes[name] = {"_target_": f"{_HERE}.JobLauncher", **options}
    for name, node in nodes.items():
        store.store(group="hydra/launcher", name=name, node=node, provider=_HERE)
    grid = {"max_batch_size": None, "params": None, "grids": None}
    node = {"_target_": f"{_HERE}.GridSweeper", **grid}
    store.store(group="hydra/sweeper", name="grid", node=node, provider=_HERE)


register()
