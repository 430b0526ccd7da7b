"""Where the engine's runs come from: a list that is there at the start, or one that grows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mtsweep.plan import Group, Run


class Source(Protocol):
    """Gives runs as hands are free for them, and hears how they end."""

    @property
    def open(self) -> bool:
        """Whether more may come, now or when a run that was given is through."""
        ...

    def more(self, hands: int) -> Sequence[Group]:
        """What is to be done next.

        Args:
            hands: Workers that would have nothing to do; a list gives everything all the same.
        """
        ...

    def watched(self, run: Run) -> bool:
        """Whether each look of a run at the dev set waits for a verdict."""
        ...

    def looked(self, run: Run, step: int, value: float) -> bool:
        """The verdict: whether a run, that came to ``value``, is worth going on with."""
        ...

    def pruned(self, run: Run, reason: str) -> None:
        """A run ended after a verdict."""

    def finished(self, run: Run) -> None:
        """A run has its record."""

    def failed(self, run: Run, reason: str) -> None:
        """A run was given up."""


class Listed:
    """Runs that are known at the start, all of them given at once."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self.groups = tuple(groups)

    @property
    def open(self) -> bool:
        """Until they are given."""
        return bool(self.groups)

    def more(self, hands: int) -> Sequence[Group]:  # noqa: ARG002
        """All of them, the first time."""
        groups, self.groups = self.groups, ()
        return groups

    def watched(self, run: Run) -> bool:  # noqa: ARG002
        """No run is given up."""
        return False

    def looked(self, run: Run, step: int, value: float) -> bool:  # noqa: ARG002
        """Every run is worth going on with."""
        return True

    def pruned(self, run: Run, reason: str) -> None:
        """Never."""

    def finished(self, run: Run) -> None:
        """Nothing hangs on it."""

    def failed(self, run: Run, reason: str) -> None:
        """Nothing hangs on it."""
