"""Searches in jobs of the real libraries, through the command line; Slurm itself is played."""

from __future__ import annotations

import importlib.util
import signal
import sys
from pathlib import Path

import pytest

from tests.standins import slurm
from tests.sweep.test_schedulers import SLURM, needs_submitit, up
from tests.sweep.test_search_runs import SEARCH, trials
from tests.sweep.test_survival import finish, started, until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
    pytest.mark.slow,
]

needs_joblib = pytest.mark.skipif(
    importlib.util.find_spec("joblib") is None, reason="joblib is not installed"
)


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    """The same search in workers of this machine, one trial after the other."""
    folder = tmp_path_factory.mktemp("here")
    code, told = finish([*SEARCH, "sweep.trials=2"], folder)
    assert code == 0, told
    assert {state for state, _, _ in trials(folder)} == {"COMPLETE", "PRUNED"}
    return folder


@pytest.mark.parametrize(
    ("launcher", "count"),
    [
        pytest.param("submitit_local", 2, marks=needs_submitit),
        pytest.param("joblib", 1, marks=needs_joblib),
    ],
)
def test_a_search_in_jobs_tries_what_one_on_this_machine_tries_and_prunes_it_alike(
    launcher, count, here, tmp_path
):
    command = [*SEARCH, f"hydra/launcher={launcher}", f"sweep.trials={count}", "sweep.at_once=1"]
    code, told = finish(command, tmp_path)
    assert code == 0, told
    assert trials(tmp_path) == trials(here)[:count]
    assert len(up(tmp_path)) == count
    assert "1 finished" in told


@needs_submitit
def test_a_search_whose_command_is_killed_takes_its_job_of_slurm_over_and_does_no_trial_twice(
    here, tmp_path
):
    cluster = slurm.lay_out(tmp_path / "cluster")
    jobs, folder = Path(cluster["FAKE_SLURM"]), tmp_path / "here"
    folder.mkdir()
    command = [*SEARCH, *SLURM, "sweep.trials=2", "sweep.at_once=1"]
    with started(command, folder, limit=None, **cluster) as search:
        until(lambda: up(folder))
        search.send_signal(signal.SIGKILL)
        search.wait()
    code, told = finish(command, folder, **cluster)
    assert code == 0, told
    assert "job 1: runs on" in told
    assert trials(folder) == trials(here)
    assert slurm.submitted(jobs) == ["1", "2"], "a job a trial"
    assert {slurm.state(jobs, job) for job in ("1", "2")} == {"COMPLETED"}
    again, _ = finish(command, folder, **cluster)
    assert again == 0
    assert slurm.submitted(jobs) == ["1", "2"]
