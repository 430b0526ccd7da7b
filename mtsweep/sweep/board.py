"""What is left to do, and who gets it: pure bookkeeping, without processes."""

from __future__ import annotations

from collections.abc import Iterable

from mtsweep.plan import Group, Run


class Board:
    """Unfinished runs by group. A worker keeps to the group whose base model it holds.

    Args:
        groups: Of the plan; the one with most work is handed out first.
    """

    def __init__(self, groups: Iterable[Group] = ()) -> None:
        self._left: dict[Group, list[Run]] = {}
        self._running: set[str] = set()
        for group in groups:
            self.add(group)

    def add(self, group: Group) -> None:
        """More to do; of a base model that a group is there for, it becomes part of that."""
        there = (each for each in self._left if group.base and each.base == group.base)
        self._left.setdefault(next(there, group), []).extend(group.runs)

    def take(self, held: Group | None) -> tuple[Group, Run] | None:
        """The next run for a worker that holds a group; ``None`` if nothing can be done now."""
        untouched = [group for group, left in self._left.items() if len(left) == len(group.runs)]
        begun = [group for group, left in self._left.items() if group not in untouched]
        # A group that nobody holds comes before help for one that somebody does.
        order = [*([held] if held else []), *_largest(untouched, self), *_largest(begun, self)]
        for group in order:
            for run in self._left.get(group, ()):
                if run.train_id not in self._running:
                    self._left[group].remove(run)
                    self._running.add(run.train_id)
                    return group, run
        return None

    def put_back(self, group: Group, run: Run) -> None:
        """A run is to be done (again), behind the others of its group."""
        self._running.discard(run.train_id)
        self._left[group].append(run)

    def done(self, run: Run) -> None:
        """A run is through."""
        self._running.discard(run.train_id)

    def clear(self) -> None:
        """Nothing further is to be started."""
        self._left = {}

    def work(self, group: Group) -> float:
        """Estimated seconds that a group has left."""
        return sum(run.estimate.seconds for run in self._left[group])

    @property
    def waiting(self) -> int:
        """Runs that nobody has."""
        return sum(map(len, self._left.values()))

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not any(self._left.values())


def _largest(groups: list[Group], board: Board) -> list[Group]:
    return sorted(groups, key=board.work, reverse=True)
