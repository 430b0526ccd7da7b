"""A search in jobs: trials are given as seats are free, and verdicts travel through folders."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence

import pytest

from mtsweep.config import SweepConfig
from mtsweep.plan import Group, Plan, Run
from mtsweep.sweep.away import drive as away
from mtsweep.sweep.away import relay
from mtsweep.sweep.away.folder import JobFolder
from mtsweep.sweep.away.news import Down, End, Look, Start, Up
from mtsweep.sweep.away.relay import Relay
from mtsweep.sweep.away.schedulers import State
from mtsweep.sweep.source import Listed
from tests.sweep.test_jobs import Scripted, Seen, done, plan

__all__ = ["plan"]  # a fixture


class Growing(Listed):
    """Gives one run after the other, at most so many at once, and judges what they come to."""

    def __init__(self, runs: Sequence[Run], at_once: int, worth: float = 0.0) -> None:
        super().__init__(())
        self.left = list(runs)
        self.at_once = at_once
        self.worth = worth
        self.under_way: list[Run] = []
        self.asked: list[int] = []
        self.ended: list[tuple[str, str]] = []

    @property
    def open(self) -> bool:
        return bool(self.left or self.under_way)

    def more(self, hands: int) -> Sequence[Group]:
        self.asked.append(hands)
        given = []
        while self.left and len(given) < hands and len(self.under_way) < self.at_once:
            self.under_way.append(run := self.left.pop(0))
            given.append(Group((run,)))
        return given

    def watched(self, run: Run) -> bool:
        return run.id != "three"

    def looked(self, run: Run, step: int, value: float) -> bool:
        return value >= self.worth

    def finished(self, run: Run) -> None:
        self._end(run, "finished")

    def pruned(self, run: Run, reason: str) -> None:
        self._end(run, f"pruned {reason}")

    def failed(self, run: Run, reason: str) -> None:
        self._end(run, f"failed {reason}")

    def _end(self, run: Run, how: str) -> None:
        self.under_way.remove(run)
        self.ended.append((run.id, how))


def drive(plan: Plan, scheduler: Scripted, source: Growing) -> list[str]:
    failures = away.drive(plan, SweepConfig(), scheduler, Seen(), source)
    return [failure.run.id for failure in failures]


def test_a_seat_that_is_free_gets_the_next_trial_without_waiting_for_the_others(plan):
    order: list[str] = []

    def act(folder: JobFolder, look: int) -> State:
        (run,) = folder.load().runs
        if look == 1:
            order.append(f"{run.id} begins")
        if look < (9 if run.id == "one" else 2):
            return State("runs", "RUNNING")
        order.append(f"{run.id} ends")
        return done(folder, look)

    source = Growing(plan.runs, at_once=2)
    assert drive(plan, Scripted(act, seats=5), source) == []
    assert order == [
        "one begins", "two begins", "two ends", "three begins", "three ends", "one ends",
    ]  # fmt: skip
    assert max(source.asked) == 5


def test_what_a_run_comes_to_is_judged_by_the_command_and_told_to_the_job(plan):
    def act(folder: JobFolder, look: int) -> State:
        load = folder.load()
        (run,) = load.runs
        if look == 1:
            assert load.watched == (() if run.id == "three" else (run.id,))
            folder.tell(Up("node1", os.getpid(), "CPU"))
            folder.tell(Start("cpu", run.id))
            folder.tell(Look(run.id, 4, 1.0 if run.id == "two" else 9.0))
        if (run.id, 4) not in folder.verdicts():
            return State("runs", "RUNNING")
        if folder.verdicts()[run.id, 4]:
            return done(folder, look)
        folder.tell(End("cpu", run.id, "pruned", "at step 4"))
        folder.tell(Down("done"))
        return State("over", "COMPLETED")

    source = Growing(plan.runs, at_once=3, worth=5.0)
    assert drive(plan, Scripted(act, seats=3), source) == []
    ended = [("one", "finished"), ("three", "finished"), ("two", "pruned at step 4")]
    assert sorted(source.ended) == ended


def test_a_trial_whose_job_is_lost_is_done_again_and_what_it_had_ended_with_is_heard_of(plan):
    def act(folder: JobFolder, look: int) -> State:
        (run,) = folder.load().runs
        folder.tell(Up("node1", os.getpid(), "CPU"))
        folder.tell(Start("cpu", run.id))
        run.folder.start("")
        if run.id == "one":  # and the node was lost before the job could say so
            run.folder.prune(4, 1.0, "at step 4")
            return State("over", "NODE_FAIL")
        if run.id == "two" and len(scheduler.jobs) < 3:
            return State("over", "NODE_FAIL")
        if run.id == "three":
            return State("over", "OUT_OF_MEMORY")
        return done(folder, look)

    scheduler = Scripted(act)
    source = Growing(plan.runs, at_once=1)
    assert drive(plan, scheduler, source) == ["three"]
    assert [how.split(" ")[0] for _, how in source.ended] == ["pruned", "finished", "failed"]
    assert len(scheduler.jobs) == 5  # two and three had a second try


@pytest.fixture
def job(plan, monkeypatch, tmp_path) -> Relay:
    monkeypatch.setattr(relay, "_PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(relay, "_PAUSE_SECONDS", 0.01)
    folder = JobFolder(tmp_path)
    (tmp_path / "verdicts.jsonl").touch()
    return Relay(plan.groups, folder, ["one"])


def test_a_job_waits_for_the_verdict_on_the_runs_that_are_watched(job, plan):
    one, two, _ = plan.runs
    assert job.watched(one)
    assert not job.watched(two)
    later = threading.Timer(0.05, lambda: job.folder.judge("one", 4, go_on=True))
    later.start()
    assert job.looked(one, 4, 0.5)
    later.join()
    assert list(job.folder.heard()) == [Look("one", 4, 0.5)]
    job.folder.judge("one", 8, go_on=False)
    assert not job.looked(one, 8, 0.5)


def test_without_an_answer_a_run_goes_on_and_a_late_one_counts_at_its_next_look(job, plan):
    one, *_ = plan.runs
    assert job.looked(one, 4, 0.5)
    began = time.monotonic()
    assert job.looked(one, 8, 0.5)
    assert time.monotonic() - began < 0.2, "who did not answer is not waited for again"
    job.folder.judge("two", 4, go_on=False)
    assert job.looked(one, 12, 0.5)
    job.folder.judge("one", 4, go_on=False)
    assert not job.looked(one, 16, 0.5)
