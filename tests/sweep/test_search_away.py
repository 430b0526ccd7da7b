"""Searches in jobs of the real libraries, through the command line; Slurm itself is played."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from tests.sweep.test_schedulers import needs_submitit, up
from tests.sweep.test_search_runs import SEARCH, trials
from tests.sweep.test_survival import finish

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
    code, told = finish([*SEARCH, "sweep.trials=3"], folder)
    assert code == 0, told
    assert {state for state, _, _ in trials(folder)} == {"COMPLETE", "PRUNED"}
    return folder


@pytest.mark.parametrize(
    "launcher",
    [
        pytest.param("submitit_local", marks=needs_submitit),
        pytest.param("joblib", marks=needs_joblib),
    ],
)
def test_a_search_in_jobs_tries_what_one_on_this_machine_tries_and_prunes_it_alike(
    launcher, here, tmp_path
):
    command = [*SEARCH, f"hydra/launcher={launcher}", "sweep.trials=2", "sweep.at_once=1"]
    code, told = finish(command, tmp_path)
    assert code == 0, told
    assert trials(tmp_path) == trials(here)[:2]
    assert len(up(tmp_path)) == 2
    assert "1 finished, 1 pruned" in told
