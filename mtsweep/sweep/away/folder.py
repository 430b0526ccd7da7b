"""A job's folder, ``sweeps/<name>/jobs/<number>/``, on a file system that both sides see.

``load.pickle`` is what the job gets, ``job.json`` what its scheduler calls it, ``news.jsonl`` what
it tells, ``verdicts.jsonl`` which of a search's runs are worth going on with, ``cancel`` a mark
that asks it to stop, ``log.txt`` what its processes print.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtsweep.config import SweepConfig
from mtsweep.plan import Run
from mtsweep.record import write
from mtsweep.sweep.away import news
from mtsweep.sweep.away.news import News


@dataclass(frozen=True)
class Load:
    """What a job gets."""

    runs: tuple[Run, ...]
    sweep: SweepConfig
    name: str
    """Of the sweep."""
    output: Path
    here: Path
    """Working directory of the command: paths are relative to it."""
    watched: tuple[str, ...] = ()
    """Ids of the runs whose looks at the dev set wait for a verdict."""


class JobFolder:
    """The files of one job.

    Args:
        path: Absolute.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0

    @staticmethod
    def new(sweep: Path) -> JobFolder:
        """The next folder of a sweep."""
        jobs = sweep / "jobs"
        jobs.mkdir(parents=True, exist_ok=True)
        number = 1 + max((int(p.name) for p in jobs.iterdir() if p.name.isdecimal()), default=0)
        while True:
            try:
                (jobs / str(number)).mkdir()
            except FileExistsError:  # another command was faster
                number += 1
            else:
                return JobFolder((jobs / str(number)).absolute())

    @staticmethod
    def of(sweep: Path) -> list[JobFolder]:
        """Those of a sweep whose jobs nobody saw the end of, the oldest first."""
        there = [path for path in sweep.glob("jobs/*") if (path / "load.pickle").is_file()]
        return [JobFolder(path.absolute()) for path in sorted(there, key=lambda p: int(p.name))]

    @property
    def log(self) -> Path:
        """What the job's processes print."""
        return self.path / "log.txt"

    def put(self, load: Load) -> None:
        """Say what the job gets."""
        # There before anybody looks: over NFS a file that was missed stays missing for a while.
        self._verdicts.touch()
        (self.path / "load.pickle").write_bytes(pickle.dumps(load, pickle.HIGHEST_PROTOCOL))

    def note(self, scheduler: str, job: str, run_ids: Sequence[str]) -> None:
        """Keep what a scheduler calls the job, for a command that comes later."""
        told = {"scheduler": scheduler, "job": job, "runs": [*run_ids]}
        write(self.path / "job.json", json.dumps(told) + "\n")

    def noted(self) -> tuple[str, str, list[str]] | None:
        """Scheduler, job and ids of the runs; ``None`` of a job that was never submitted."""
        try:
            told = json.loads((self.path / "job.json").read_text(encoding="utf-8"))
            return str(told["scheduler"]), str(told["job"]), [str(each) for each in told["runs"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def load(self) -> Load:
        """What the job gets."""
        return pickle.loads((self.path / "load.pickle").read_bytes())  # noqa: S301 - of ours

    def drop_load(self) -> None:
        """The job is over: nobody needs its runs any more."""
        (self.path / "load.pickle").unlink(missing_ok=True)

    def tell(self, told: News) -> None:
        """Add a line for the command."""
        with (self.path / "news.jsonl").open("a", encoding="utf-8") as lines:
            lines.write(news.dump(told) + "\n")

    def judge(self, run_id: str, step: int, *, go_on: bool) -> None:
        """Pass a verdict on a run that came to a step."""
        with self._verdicts.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps([run_id, step, go_on]) + "\n")

    def verdicts(self) -> dict[tuple[str, int], bool]:
        """Run and step to whether it is worth going on with, as far as that was said."""
        whole, _, _ = self._verdicts.read_text(encoding="utf-8").rpartition("\n")
        told = [json.loads(line) for line in whole.splitlines()]
        return {(run_id, step): go_on for run_id, step, go_on in told}

    @property
    def _verdicts(self) -> Path:
        return self.path / "verdicts.jsonl"

    def heard(self) -> Iterator[News]:
        """Whole lines that were added since the last call."""
        try:
            # Opened anew: over NFS an open file does not show what another machine adds.
            with (self.path / "news.jsonl").open("rb") as lines:
                lines.seek(self._read)
                added = lines.read()
        except FileNotFoundError:
            return
        whole = added.rfind(b"\n") + 1
        self._read += whole
        for line in added[:whole].decode("utf-8").splitlines():
            yield news.load(line)

    def cancel(self) -> None:
        """Ask the job to stop, behind a checkpoint, and not to be queued again."""
        (self.path / "cancel").touch()

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked."""
        return (self.path / "cancel").exists()
