"""What the command does with jobs, against a scheduler that does what the test says."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from mtsweep import plan as plans
from mtsweep.config import SweepConfig
from mtsweep.errors import UserError
from mtsweep.plan import Group, Plan, Run
from mtsweep.record import RunFolder
from mtsweep.sweep.away import drive as away
from mtsweep.sweep.away import flights, news
from mtsweep.sweep.away.carry import Carrier
from mtsweep.sweep.away.folder import JobFolder
from mtsweep.sweep.away.news import Down, End, Heard, Line, Start, Up
from mtsweep.sweep.away.schedulers import Seat, State
from mtsweep.sweep.wire import Advanced, Began, Said, Told
from tests.overrides import job
from tests.records import record


class Scripted:
    """Jobs that do what a function does with their folder, each time they are looked at."""

    def __init__(self, act: Callable[[JobFolder, int], State], seats: int = 1) -> None:
        self.act = act
        self.seats = [Seat() for _ in range(seats)]
        self.together = True
        self.runs_per_job: int | None = None
        self.kind = "scripted"
        self.jobs: dict[str, JobFolder] = {}
        self.looks: dict[str, int] = {}
        self.cancelled: list[str] = []
        self.unknown: set[str] = set()

    def submit(self, carrier: Carrier) -> str:
        name = str(len(self.jobs) + 1)
        self.jobs[name] = JobFolder(Path(carrier.folder))
        return name

    def take_over(self, jobs: Mapping[str, Path]) -> Collection[str]:
        self.jobs |= {name: JobFolder(path) for name, path in jobs.items()}
        return set(jobs) - self.unknown

    def states(self, jobs: list[str]) -> dict[str, State]:
        for name in jobs:
            self.looks[name] = self.looks.get(name, 0) + 1
        return {name: self.act(self.jobs[name], self.looks[name]) for name in jobs}

    def cancel(self, job: str) -> None:
        self.cancelled.append(job)

    def close(self) -> None: ...


class Seen:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.events: list[tuple[str, object]] = []

    def said(self, text: str) -> None:
        self.lines.append(text)

    def started(self, slot: str, run: Run) -> None:
        self.events.append((slot, run.id))

    def heard(self, slot: str, event: object) -> None:
        self.events.append((slot, event))

    def ended(self, slot: str, run: Run, how: str, reason: str) -> None:
        self.events.append((slot, how))


@pytest.fixture
def plan(tmp_path, monkeypatch) -> Plan:
    monkeypatch.setattr(away, "_TICK_SECONDS", 0.0)
    monkeypatch.setattr(away, "_SETTLE_SECONDS", 0.0)
    one = plans.identify(job({"model": "tiny_causal"}))
    runs = tuple(
        replace(
            one, id=name, train_id=name, overrides=name,
            folder=RunFolder(tmp_path / "runs" / name),
            base_folder=RunFolder(tmp_path / "runs" / "base"),
        )
        for name in ("one", "two", "three")
    )  # fmt: skip
    return Plan(runs, (Group(runs),), 0, (), "here", tmp_path)


def finish(run: Run) -> None:
    for folder in (run.base_folder, run.folder):
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.finish(record(folder.id))


def done(folder: JobFolder, look: int) -> State:
    """A job that does what it was given, at once."""
    load = folder.load()
    folder.tell(Up("node1", os.getpid(), "CPU"))
    for run in load.runs:
        folder.tell(Start("cpu", run.id))
        finish(run)
        folder.tell(End("cpu", run.id, "finished", ""))
    folder.tell(Down("done"))
    return State("over", "COMPLETED")


def drive(plan: Plan, scheduler: Scripted, **sweep: object) -> tuple[list[tuple[str, str]], Seen]:
    seen = Seen()
    config = SweepConfig.model_validate(sweep)
    failures = away.drive(plan, config, scheduler, seen)
    return [(failure.run.id, failure.reason) for failure in failures], seen


def test_runs_that_share_a_base_model_travel_as_one_job(plan):
    scheduler = Scripted(done, seats=4)
    failures, seen = drive(plan, scheduler)
    assert failures == []
    assert list(scheduler.jobs) == ["1"]
    assert seen.lines[0] == "job 1: 3 runs (one, two, three)"
    assert [what for _, what in seen.events] == [
        "one", "finished", "two", "finished", "three", "finished",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("together", "limit", "seats", "sizes"),
    [
        (True, None, 4, [3]),
        (True, 2, 4, [2, 1]),
        (False, None, 1, [3]),
        (False, None, 2, [2, 1]),
        (False, None, 8, [1, 1, 1]),
        (False, 3, 8, [3]),
    ],
)
def test_how_many_runs_travel_together(plan, together, limit, seats, sizes):
    scheduler = Scripted(done, seats=seats)
    scheduler.together, scheduler.runs_per_job = together, limit
    assert [len(runs) for runs in flights.shares(plan.groups, scheduler)] == sizes


def test_no_more_jobs_than_seats_are_in_flight(plan):
    flying: list[int] = []

    def act(folder: JobFolder, look: int) -> State:
        flying.append(len([each for each in scheduler.jobs.values() if not over(each)]))
        return done(folder, look) if look == 2 else State("waits", "PENDING")

    def over(folder: JobFolder) -> bool:
        return (folder.path / "news.jsonl").exists()

    scheduler = Scripted(act, seats=2)
    scheduler.runs_per_job = 1
    failures, seen = drive(plan, scheduler)
    assert failures == []
    assert len(scheduler.jobs) == 3
    assert max(flying) == 2
    assert ("job 1", Began("job 1", "pending", 0)) in seen.events


def test_a_job_that_is_lost_is_submitted_again_with_what_it_left_undone(plan):
    def act(folder: JobFolder, look: int) -> State:
        load = folder.load()
        if len(load.runs) < 3:
            return done(folder, look)
        folder.tell(Up("node1", os.getpid(), "CPU"))
        finish(load.runs[0])  # and the node was lost before the job could say so
        load.runs[1].folder.start("")
        folder.tell(Start("cpu", load.runs[1].id))
        return State("over", "NODE_FAIL")

    scheduler = Scripted(act)
    failures, seen = drive(plan, scheduler)
    assert failures == []
    assert seen.lines[-3].startswith("job 1 ended early (NODE_FAIL)")
    assert seen.lines[-3].endswith("2 of its runs are taken up again")
    assert seen.lines[-2] == "job 2: 2 runs (two, three)"


def test_a_job_that_is_lost_too_often_leaves_runs_named_and_resumable(plan):
    def act(folder: JobFolder, look: int) -> State:
        folder.tell(Up("node1", os.getpid(), "CPU"))
        folder.load().runs[0].folder.start("")
        return State("over", "OUT_OF_MEMORY")

    failures, _ = drive(plan, Scripted(act), retries=0)
    assert [name for name, _ in failures] == ["one", "two", "three"]
    assert all(reason.startswith("job 1 ended early (OUT_OF_MEMORY)") for _, reason in failures)
    assert plan.runs[0].folder.state == "interrupted"
    assert plan.runs[1].folder.state is None


def test_a_job_that_stops_behind_a_checkpoint_is_waited_for(plan):
    def act(folder: JobFolder, look: int) -> State:
        if look == 1:
            folder.tell(Up("node1", os.getpid(), "CPU"))
            folder.tell(Start("cpu", "one"))
            folder.tell(End("cpu", "one", "interrupted", ""))
            folder.tell(Down("stopped"))
        return done(folder, look) if look == 4 else State("waits", "PENDING")

    scheduler = Scripted(act)
    failures, seen = drive(plan, scheduler)
    assert failures == []
    assert list(scheduler.jobs) == ["1"]
    assert "job 1: stopped behind a checkpoint" in seen.lines
    assert "job 1: goes on on node1 (CPU)" in seen.lines
    assert ("job 1", "busy") in seen.events  # put off, not through


def test_a_run_that_fails_is_told_with_its_reason_and_may_stop_the_others(plan):
    def act(folder: JobFolder, look: int) -> State:
        load = folder.load()
        if folder.cancelled:
            folder.tell(Down("stopped"))
        elif look == 1 and load.runs[0].id == "one":
            folder.tell(Up("node1", os.getpid(), "CPU"))
            folder.tell(Start("cpu", "one"))
            folder.tell(End("cpu", "one", "failed", "not finite"))
            folder.tell(Down("done"))
        return State("runs", "RUNNING")

    scheduler = Scripted(act, seats=2)
    scheduler.runs_per_job = 1
    failures, _ = drive(plan, scheduler, on_error="stop")
    assert failures == [("one", "not finite")]
    assert list(scheduler.jobs) == ["1", "2"]
    assert scheduler.cancelled == ["2"]  # it had not begun
    assert scheduler.jobs["2"].cancelled


def test_ctrl_c_marks_what_runs_cancels_what_waits_and_waits_for_checkpoints(plan):
    def act(folder: JobFolder, look: int) -> State:
        name = folder.load().runs[0].id
        if name == "two":
            return State("over" if folder.cancelled else "waits", "CANCELLED")
        if look == 1:
            folder.tell(Up("node1", os.getpid(), "CPU"))
            folder.load().runs[0].folder.start("")
        elif look == 2:
            raise KeyboardInterrupt
        elif folder.cancelled and look == 5:
            folder.load().runs[0].folder.set_state("interrupted")
            folder.tell(Down("stopped"))
        return State("runs", "RUNNING")

    scheduler = Scripted(act, seats=2)
    scheduler.runs_per_job = 1
    with pytest.raises(KeyboardInterrupt):
        drive(plan, scheduler)
    assert scheduler.looks["1"] == 5
    assert scheduler.cancelled == ["2"]
    assert plan.runs[0].folder.state == "interrupted"


def test_a_job_that_the_scheduler_refuses_stops_those_before_it(plan):
    class Strict(Scripted):
        def submit(self, carrier: Carrier) -> str:
            if len(self.jobs) == 1:
                raise UserError("sbatch: no")
            return super().submit(carrier)

    def act(folder: JobFolder, look: int) -> State:
        return State("over" if folder.cancelled else "waits", "CANCELLED")

    scheduler = Strict(act, seats=2)
    scheduler.runs_per_job = 1
    with pytest.raises(UserError, match="sbatch: no"):
        drive(plan, scheduler)
    assert scheduler.cancelled == ["1"]


@pytest.mark.parametrize(
    "told",
    [
        Up("node1", 7, "CPU, 2 cores"),
        Line("Lädt …"),
        Start("cpu", "0123"),
        Heard("cpu", Said("x\ny")),
        Heard("cpu", Began("lora.r=2", "train", 7)),
        Heard("cpu", Advanced(3, {"loss": 1.5})),
        Heard("cpu", Told("lora.r=2", "BLEU 1.0", {"bleu": 1.0})),
        End("cpu", "0123", "failed", "out of memory"),
        Down("stopped"),
    ],
)
def test_news_are_read_as_they_were_told(told, tmp_path):
    folder = JobFolder(tmp_path)
    folder.tell(told)
    assert list(folder.heard()) == [told]
    assert list(folder.heard()) == []


def test_a_line_that_is_half_there_is_read_once_it_is_whole(tmp_path):
    folder = JobFolder(tmp_path)
    line = (news.dump(Line("Größe")) + "\n").encode()
    file = tmp_path / "news.jsonl"
    file.write_bytes(line + line[:9])
    assert list(folder.heard()) == [Line("Größe")]
    file.write_bytes(line + line)
    assert list(folder.heard()) == [Line("Größe")]


def test_commands_at_the_same_time_take_folders_of_their_own(tmp_path):
    made = [JobFolder.new(tmp_path) for _ in range(3)]
    assert [folder.path.name for folder in made] == ["1", "2", "3"]
