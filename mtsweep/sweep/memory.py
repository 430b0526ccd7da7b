"""Whether runs fit into memory, asked before anything starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace

from mtsweep import device
from mtsweep.config import SweepConfig
from mtsweep.errors import ConfigError, Problem
from mtsweep.plan import Group, Plan, Run

_REMEDY = "lora=qlora, a smaller model, or trainer.optim=adafactor where every weight is trained"


@dataclass(frozen=True)
class Memory:
    """What one worker can have, in bytes; ``None`` where the system does not tell."""

    free: int | None
    """Now."""
    whole: int | None
    """If nothing else ran."""

    def fits(self, run: Run) -> bool:
        """Whether a run is expected to fit as it is configured."""
        return self.free is None or run.estimate.memory <= self.free

    def cannot(self, run: Run) -> bool:
        """Whether a run cannot fit, however small its micro-batch becomes."""
        return self.whole is not None and run.guess.least > self.whole


def memory(sweep: SweepConfig) -> Memory:
    """What one of a sweep's workers can have."""
    sharing = max(Counter(sweep.devices or [0]).values()) if device.gpus() else sweep.workers
    free, whole = device.room(), device.capacity()
    return Memory(free and free // sharing, whole and whole // sharing)


def told(run: Run, there: Memory) -> str:
    """Why a run is not expected to fit; empty if it is."""
    if there.cannot(run):
        return (
            f"needs at least {_gib(run.guess.least)} for weights, gradients and optimiser, and "
            f"there are {_gib(there.whole)}: it cannot fit; {_REMEDY} need less"
        )
    if not there.fits(run):
        return (
            f"needs about {_gib(run.estimate.memory)}, and {_gib(there.free)} are free: if memory "
            "runs out it goes on with smaller micro-batches; lora=qlora or "
            "trainer.gradient_checkpointing=true need less"
        )
    return ""


def notes(plan: Plan) -> list[str]:
    """A line about each run to be done that is not expected to fit."""
    there = memory(plan.runs[0].config.sweep)
    todo = [run for group in plan.groups for run in group.runs]
    return [f"{run.label} {reason}" for run in todo if (reason := told(run, there))]


def refused(plan: Plan, sweep: SweepConfig) -> dict[str, str]:
    """The runs of a plan that are not started because they cannot fit, by id, with the reason.

    Raises:
        ConfigError: if there are any, unless ``sweep.oversize`` says what else to do.
    """
    there = memory(sweep)
    runs = [run for group in plan.groups for run in group.runs if there.cannot(run)]
    if not runs or sweep.oversize == "run":
        return {}
    reasons = {run.id: told(run, there) for run in runs}
    if sweep.oversize == "refuse":
        problems = [Problem(run.label, reasons[run.id]) for run in runs]
        last = "skip leaves such runs out, run starts them all the same"
        raise ConfigError([*problems, Problem("sweep.oversize", last)])
    return reasons


def without(plan: Plan, left_out: Collection[str]) -> Plan:
    """A plan whose groups lack some runs, named by their ids."""
    left = [
        Group(tuple(run for run in group.runs if run.id not in left_out), group.base)
        for group in plan.groups
    ]
    return replace(plan, groups=tuple(group for group in left if group.runs))


def _gib(size: int | None) -> str:
    return f"{(size or 0) / 2**30:.1f} GiB"
