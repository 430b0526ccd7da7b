"""The runs of a job, and the verdicts on them, which the command that submitted it passes."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from mtsweep.plan import Group, Run
from mtsweep.sweep.away.folder import JobFolder
from mtsweep.sweep.away.news import Look
from mtsweep.sweep.source import Listed

_PATIENCE_SECONDS = 20.0
"""For a verdict: several times what a shared file system takes to show a line there and back."""
_PAUSE_SECONDS = 0.2


class Relay(Listed):
    """A job's runs as its engine's source.

    A command that does not answer may be gone: a run goes on then, and a verdict that comes late
    counts at the run's next look at the dev set.

    Args:
        groups: What the job does.
        folder: Of the job; what runs come to goes out through it, and verdicts come back.
        watched: Ids of the runs that wait for verdicts.
    """

    def __init__(
        self, groups: Sequence[Group], folder: JobFolder, watched: Collection[str]
    ) -> None:
        super().__init__(groups)
        self.folder = folder
        self.names = frozenset(watched)
        self.unanswered: tuple[str, int] | None = None

    def watched(self, run: Run) -> bool:
        """Whether the command judges it."""
        return run.id in self.names

    def looked(self, run: Run, step: int, value: float) -> bool:
        """What the command says; a run goes on that it says nothing of."""
        self.folder.tell(Look(run.id, step, value))
        verdicts = self._verdicts(run.id, step)
        return all(go_on for (run_id, _), go_on in verdicts.items() if run_id == run.id)

    def _verdicts(self, run_id: str, step: int) -> dict[tuple[str, int], bool]:
        """All that are there; those on this look are waited for."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            told = self.folder.verdicts()
            if (run_id, step) in told:
                self.unanswered = None
                return told
            gone = self.unanswered is not None and self.unanswered not in told
            if gone or time.monotonic() >= deadline:
                self.unanswered = (run_id, step)
                return told
            time.sleep(_PAUSE_SECONDS)
