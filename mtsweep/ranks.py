"""The processes of one training (``trainer.processes``): which this is, and what they share.

The first process alone writes, translates and decides; the others compute their part of each step.
Where a training has one process, all of this does nothing.
"""

from __future__ import annotations

import os
from typing import TypeVar

NO_MEMORY = 77
"""Exit code of a process whose memory did not suffice."""

Value = TypeVar("Value")


def count() -> int:
    """Processes of the training that is under way here."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """Whether this is the process that writes and decides."""
    return os.environ.get("RANK", "0") == "0"


def share(value: Value) -> Value:
    """What the first process says; all must call it."""
    if count() == 1:
        return value
    import torch.distributed as dist

    told = [value]
    dist.broadcast_object_list(told, src=0)
    return told[0]


def gather_here() -> None:
    """Wait until all processes are here."""
    if count() > 1:
        import torch.distributed as dist

        dist.barrier()
