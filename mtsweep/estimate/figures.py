"""The figures of an estimate."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Estimate:
    """What a run is expected to take."""

    memory: int
    """Bytes at the peak, on the device."""
    seconds: float
    """For training and scoring."""
    disk: int
    """Bytes that stay in the run folder."""
    trained: int = 0
    """Parameters that are trained."""
    least: int = 0
    """Bytes that it needs whatever its batch is: weights, gradients and states of the optimiser."""
    scoring: float = 0.0
    """Of the seconds, those after training."""

    def taken_over(self) -> Estimate:
        """The same with weights that another run trained and stores."""
        return replace(self, seconds=self.scoring, disk=0)

    def told(self) -> dict[str, float]:
        """What a record keeps, to be held against what the run took."""
        return {"memory": self.memory, "seconds": round(self.seconds, 3)}
