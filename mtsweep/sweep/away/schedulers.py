"""What mtsweep asks of a scheduler."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from mtsweep.config import SweepConfig
from mtsweep.sweep.away.carry import Carrier
from mtsweep.sweep.slots import slots


@dataclass(frozen=True)
class State:
    """Where a job stands by its scheduler's account."""

    phase: Literal["waits", "runs", "over"]
    word: str
    """The scheduler's own."""


@dataclass
class Seat:
    """A place for one job at a time."""

    environment: Mapping[str, str] = field(default_factory=dict)


class Scheduler(Protocol):
    """Takes jobs, tells where they stand, and ends them."""

    kind: str
    """Of its launcher."""
    seats: list[Seat]
    """How many jobs it is given at once, and what the environment of each has."""
    together: bool
    """Whether runs that share a base model stay together even where seats are left."""
    runs_per_job: int | None
    """What people say of it instead."""

    def submit(self, carrier: Carrier) -> str:
        """Take a job; returns the id that people know it by.

        Raises:
            UserError: if the scheduler refuses it.
        """
        ...

    def take_over(self, jobs: Mapping[str, Path]) -> Collection[str]:
        """Look after jobs that another process submitted.

        Args:
            jobs: Their ids and folders.

        Returns:
            Those that are known to wait or to run.
        """
        ...

    def states(self, jobs: list[str]) -> dict[str, State]:
        """Where jobs stand; those that nothing is known of are left out."""
        ...

    def cancel(self, job: str) -> None:
        """End a job, now."""
        ...

    def close(self) -> None:
        """Give back what was taken."""
        ...


def seats_here(sweep: SweepConfig, jobs: int) -> list[Seat]:
    """Seats on this machine, which share out its GPUs, or its cores.

    Args:
        sweep: Its ``devices`` are shared out.
        jobs: At once, at most.
    """
    places = slots(sweep.model_copy(update={"workers": jobs}))
    return [Seat(place.environment) for place in places[:jobs]]
