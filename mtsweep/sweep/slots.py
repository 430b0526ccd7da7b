"""Device slots: where workers run, and the environment that keeps them out of each other's way."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mtsweep import device
from mtsweep.config import SweepConfig
from mtsweep.errors import UserError


@dataclass(frozen=True)
class Slot:
    """A place for one worker."""

    name: str
    """``cuda:1`` or ``cpu``, for people."""
    environment: Mapping[str, str]
    """What the worker's environment has beside the parent's."""


def slots(config: SweepConfig, processes: int = 1) -> list[Slot]:
    """Every place for a worker; torch is not imported.

    Args:
        config: Of the command.
        processes: That train a run together, at most (``trainer.processes``).

    Raises:
        UserError: if a GPU is asked for that is not there, or too few are.
    """
    visible = list(device.gpus())
    if config.devices is not None:
        for number in config.devices:
            if number >= len(visible):
                raise UserError(
                    f"sweep.devices: there is no GPU {number}; "
                    f"{len(visible)} are visible, counted from 0"
                )
        visible = [visible[number] for number in config.devices]
    alone = {gpu.id for gpu in visible}
    if visible and (len(alone) < processes or (len(alone) < len(visible) and processes > 1)):
        raise UserError(
            f"trainer.processes: {processes} need a GPU each, and there are {len(alone)}"
        )
    if visible:
        numbers = range(len(visible)) if config.devices is None else config.devices
        places = [*zip(numbers, visible, strict=True)]
        starts = range(0, len(places) - processes + 1, processes)
        return _apart([_on_gpus(places[start : start + processes]) for start in starts])
    if config.workers == processes == 1:
        return [Slot("cpu", {})]
    threads = max(1, device.cores() // (config.workers * processes))
    shared = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(threads)}
    # Idle threads that spin would take the other workers' cores.
    shared |= {"OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE")}
    return [Slot(f"cpu:{number}", shared) for number in range(config.workers)]


def _on_gpus(share: Sequence[tuple[int, device.Gpu]]) -> Slot:
    name = ",".join(str(number) for number, _ in share)
    return Slot(f"cuda:{name}", {"CUDA_VISIBLE_DEVICES": ",".join(gpu.id for _, gpu in share)})


def _apart(found: Sequence[Slot]) -> list[Slot]:
    """Slots on one GPU (``sweep.devices=[0,0]``) have names of their own: ``cuda:0#2``."""
    seen: Counter[str] = Counter()
    named: list[Slot] = []
    for slot in found:
        seen[slot.name] += 1
        again = f"#{seen[slot.name]}" if seen[slot.name] > 1 else ""
        named.append(replace(slot, name=slot.name + again))
    return named
