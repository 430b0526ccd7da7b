"""What a run will take, before it is started: memory, seconds, disk. Without torch."""

from mtsweep.estimate.figures import Estimate
from mtsweep.estimate.forecast import estimate
from mtsweep.estimate.past import (
    Correction,
    correction,
    kind,
    memory_ratio,
    missed,
    time_ratio,
)
from mtsweep.estimate.shape import Shape, shape

__all__ = [
    "Correction",
    "Estimate",
    "Shape",
    "correction",
    "estimate",
    "kind",
    "memory_ratio",
    "missed",
    "shape",
    "time_ratio",
]
