"""What concerns a whole command."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from mtsweep.config.section import Section, Text
from mtsweep.config.trainer import DevMetric


class SweepConfig(Section):
    """What concerns a whole command rather than one run (``conf/sweep/``)."""

    name: Text | None = Field(default=None, pattern=r"^[A-Za-z0-9][\w.-]{0,99}$")
    """Folder under ``sweeps/`` and W&B group; null makes one from the runs."""
    devices: tuple[NonNegativeInt, ...] | None = None
    """GPUs by their number, a worker on each; null takes all that are visible, or else the CPU.
    ``[0,0]`` puts two workers on GPU 0, for models that leave most of it idle."""
    workers: PositiveInt = 1
    """Workers on a CPU; its cores are shared out among them."""
    on_error: Literal["continue", "stop"] = "continue"
    """Whether the other runs go on when one has failed."""
    retries: NonNegativeInt = 1
    """How often a run is taken up again after its worker died or hung."""
    timeout: PositiveFloat | None = None
    """Minutes after which a run counts as hung; null waits without end."""
    oversize: Literal["refuse", "skip", "run"] = "refuse"
    """What becomes of runs whose weights, gradients and optimiser alone are larger than the memory:
    ``refuse`` starts nothing, ``skip`` does the others, ``run`` tries."""
    beyond_data: Literal["refuse", "skip"] = "refuse"
    """What becomes of runs whose ``data.size`` is more than there is: ``refuse`` starts nothing,
    ``skip`` does the others."""
    limit: PositiveInt | None = None
    """Unfinished runs to do now, at most; null does all."""
    only: tuple[Text, ...] | None = None
    """Runs to do now: their ids (or beginnings of ids) or states (new, resumable, failed)."""
    dry_run: bool = False
    """Print the plan and start nothing."""
    search: Literal["optuna"] | None = None
    """Who proposes settings; null takes every combination of the values that are given."""
    metric: DevMetric | None = None
    """Of a search: what settings are compared by, on the dev set and nowhere else; the step whose
    weights are kept is chosen by it too. Null takes ``trainer.metric_for_best_model``, or else chrF
    (of conversations the loss)."""
    trials: PositiveInt = 20
    """Of a search: settings to try in all; a larger number goes on where a smaller one ended."""
    at_once: PositiveInt | None = None
    """Of a search: trials under way at a time, at most. A proposal knows what the trials that are
    through came to: the fewer at once, the better it is, and the longer the search takes. Null: one
    for each place of this machine (``sweep.devices``, ``sweep.workers``, the launcher's own jobs at
    once), and 4 on a cluster (submitit_slurm, ray)."""
    pruner: Literal["halving", "hyperband"] | None = None
    """Of a search: who gives up trials that fall behind on the dev set while they are trained.
    ``halving``: asynchronous successive halving; ``hyperband``: several of these, that begin later
    and later; null trains all of them through. Of several seeds the first is watched, and the
    others are trained where it came through."""
    reduction: Annotated[int, Field(ge=2)] = 3
    """Of a pruner: the best one of so many goes on, at the first look at the dev set, and again
    after so many times as many steps."""
    seed: NonNegativeInt = 0
    """Of a search: what the proposals are drawn with. ``seed=1,2,3`` are a trial's replicates."""
