"""Which runs share a base model in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mtsweep import device
from mtsweep.plan.content import quantization
from mtsweep.plan.identity import digest
from mtsweep.standing import Run


@dataclass(frozen=True, eq=False)
class Group:
    """Runs that share a base model in memory: made by the plan, carried out by a worker."""

    runs: tuple[Run, ...]
    base: str = ""
    """Digest of the base model: groups that came at different times are one by it."""


def groups(runs: Iterable[Run]) -> list[Group]:
    """Runs that can share a base model in memory, on the devices of this machine."""
    shared: dict[str, list[Run]] = {}
    for run in runs:
        # On a GPU a model that is trained whole is loaded in another precision.
        whole = run.config.lora.method == "none" and bool(device.gpus())
        model = run.config.model.model_dump(exclude={"freeze", "license"})
        key = digest([run.located.name, run.located.revision, model,
                       quantization(run.config.lora), whole])  # fmt: skip
        shared.setdefault(key, []).append(run)
    # Full fine-tuning spoils the base, so within a group it comes last.
    return [
        Group(tuple(sorted(group, key=lambda run: run.config.lora.method == "none")), base)
        for base, group in shared.items()
    ]
