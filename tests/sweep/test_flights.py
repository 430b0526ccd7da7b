"""Jobs that a command left which is gone, and what the same command does with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mtsweep.config import SweepConfig
from mtsweep.lock import Lock
from mtsweep.plan import Plan, Run
from mtsweep.sweep.away.folder import JobFolder, Load
from mtsweep.sweep.away.news import Down, End, Look, News, Start, Up
from mtsweep.sweep.away.schedulers import State
from tests.sweep.test_jobs import Scripted, done, drive, plan

__all__ = ["plan"]  # a fixture


def left(plan: Plan, runs: tuple[Run, ...], *told: News, kind: str = "scripted") -> JobFolder:
    """The folder of job 7, as a command leaves it that is killed."""
    folder = JobFolder.new(plan.folder)
    folder.put(Load(runs, SweepConfig(), plan.name, plan.output, Path.cwd()))
    folder.note(kind, "7", [run.id for run in runs])
    for each in told:
        folder.tell(each)
    return folder


UP = Up("node1", os.getpid(), "CPU")


def test_a_job_in_the_queue_is_waited_for_and_not_submitted_again(plan):
    left(plan, plan.runs[:2])
    scheduler = Scripted(
        lambda folder, look: done(folder, look) if look > 2 else State("waits", "PENDING")
    )
    failures, seen = drive(plan, scheduler)
    assert failures == []
    assert seen.lines[0] == "job 7: is in the queue, submitted by an earlier command"
    assert ("job 7", "finished") in seen.events
    assert list(scheduler.jobs) == ["7", "2"]
    assert any(line.startswith("job 2: 1 run (three)") for line in seen.lines)


def test_of_a_job_that_runs_what_it_has_ended_is_done_anew_and_what_it_is_at_is_shown(plan):
    one, two, three = plan.runs
    told = [UP, Start("cpu", "one"), End("cpu", "one", "failed", "disk full"), Start("cpu", "two")]
    left(plan, plan.runs, *told)

    def act(folder: JobFolder, look: int) -> State:
        if folder.load().runs[0] is one or len(folder.load().runs) == 1:
            return done(folder, look)
        folder.tell(End("cpu", "two", "finished", ""))
        folder.tell(Start("cpu", "three"))
        folder.tell(End("cpu", "three", "finished", ""))
        folder.tell(Down("done"))
        return State("over", "COMPLETED")

    scheduler = Scripted(act, seats=2)
    failures, seen = drive(plan, scheduler)
    assert failures == []
    assert seen.lines[0] == "job 7: runs on node1, submitted by an earlier command"
    assert seen.events[0] == ("job 7", "two")
    assert "job 2: 1 run (one)" in seen.lines


@pytest.mark.parametrize(
    "how", ["unknown", "another scheduler", "over", "cancelled", "never submitted", "landed"]
)
def test_a_job_that_is_gone_is_submitted_again(how, plan):
    told = [UP, Down("done")] if how == "over" else []
    folder = left(
        plan, plan.runs, *told, kind="other" if how == "another scheduler" else "scripted"
    )
    scheduler = Scripted(done)
    if how == "unknown":
        scheduler.unknown.add("7")
    elif how == "cancelled":
        folder.cancel()
    elif how == "never submitted":
        (folder.path / "job.json").unlink()
    elif how == "landed":
        folder.drop_load()
    failures, seen = drive(plan, scheduler)
    assert failures == []
    assert seen.lines[0].endswith("3 runs (one, two, three)")


def test_jobs_of_a_command_that_is_there_are_left_to_it(plan):
    left(plan, plan.runs)
    with Lock(plan.folder / "jobs" / "lock").acquire():
        _, seen = drive(plan, Scripted(done))
    assert seen.lines[0] == "another command is at this sweep; runs of its jobs are waited for"
    assert seen.lines[1].endswith("3 runs (one, two, three)")


def test_a_job_that_stopped_behind_a_checkpoint_goes_on_under_the_next_command(plan):
    left(plan, plan.runs, UP, Start("cpu", "one"), Down("stopped"))
    _, seen = drive(plan, Scripted(done))
    assert seen.lines[:2] == [
        "job 7: is in the queue, submitted by an earlier command",
        "job 7: goes on on node1 (CPU)",
    ]


def test_a_look_that_nobody_heard_of_is_judged_when_the_job_is_taken_over(plan):
    folder = left(plan, plan.runs, UP, Start("cpu", "one"), Look("one", 4, 0.5))

    def act(job: JobFolder, look: int) -> State:
        assert job.verdicts() == {("one", 4): True}
        return done(job, look)

    drive(plan, Scripted(act))
    assert folder.verdicts() == {("one", 4): True}
