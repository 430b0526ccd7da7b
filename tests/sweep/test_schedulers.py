"""Sweeps in jobs of the real libraries, through the command line; Slurm itself is played."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from tests.standins import slurm
from tests.sweep.test_survival import (
    alive,
    assert_equal,
    checkpoints,
    descendants,
    finish,
    started,
    states,
    until,
)

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
    pytest.mark.slow,
]
needs_submitit = pytest.mark.skipif(
    importlib.util.find_spec("submitit") is None, reason="submitit is not installed"
)

SWEEP = [
    "-m", "lora.r=2,4", "lora.lora_dropout=0.1", "model=tiny_causal", "trainer=smoke",
    "data.test_size=6", "data.dev_size=4", "data.size=64", "trainer.eval_steps=1000",
    "tracking=none", "trainer.max_steps=60", "trainer.save_steps=20",
]  # fmt: skip
SLURM = [
    "hydra/launcher=submitit_slurm", "hydra.launcher.partition=short",
    "hydra.launcher.gpus_per_node=0", "hydra.launcher.cpus_per_task=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    code, told = finish(SWEEP, folder)
    assert code == 0, told
    return folder


def up(folder: Path) -> list[dict]:
    """What jobs told when they began."""
    lines = [
        json.loads(line)
        for path in folder.glob("sweeps/*/jobs/*/news.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return [line for line in lines if line["news"] == "Up"]


@needs_submitit
def test_a_preempted_job_of_slurm_is_queued_again_and_goes_on_bit_for_bit(undisturbed, tmp_path):
    cluster = slurm.lay_out(tmp_path / "cluster")
    jobs, here = Path(cluster["FAKE_SLURM"]), tmp_path / "here"
    here.mkdir()
    with started([*SWEEP, *SLURM], here, limit=None, **cluster) as sweep:
        until(lambda: checkpoints(here))
        slurm.signal_step(jobs, "1", signal.SIGUSR2)
        told, _ = sweep.communicate(timeout=240)
    assert sweep.returncode == 0, told
    assert slurm.submitted(jobs) == ["1"]  # both runs, and both times
    assert slurm.state(jobs, "1") == "COMPLETED"
    script = (jobs / "1" / "script").read_text()
    for option in ("partition=short", "requeue", "signal=USR2@120", "time=1440"):
        assert f"#SBATCH --{option}\n" in script
    assert "gpus" not in script
    assert "job 1: 2 runs (lora.r=2, lora.r=4)" in told
    assert "job 1: stopped behind a checkpoint" in told
    assert "job 1: goes on on" in told
    assert re.search(r"goes on from step \d+ of 60", told)
    assert told.count("base (untouched): translate 0/") == 1
    assert_equal(here, undisturbed)
    code, again = finish([*SWEEP, *SLURM], here, **cluster)
    assert code == 0, again
    assert slurm.submitted(jobs) == ["1"]
    assert told.endswith(again.partition("\n\nrun ")[2])


@needs_submitit
def test_jobs_of_a_cluster_that_are_lost_or_cancelled_are_named_and_their_runs_resumable(tmp_path):
    cluster = slurm.lay_out(tmp_path / "cluster")
    jobs, here = Path(cluster["FAKE_SLURM"]), tmp_path / "here"
    here.mkdir()
    command = [*SWEEP, *SLURM, "hydra.launcher.runs_per_job=1", "sweep.retries=0"]
    with started(command, here, limit=None, **cluster) as sweep:
        until(lambda: len(up(here)) == 2)
        slurm.lose_node(jobs, "1")
        # As a person does, by hand: that is no preemption.
        os.system(f"PATH={cluster['PATH']} FAKE_SLURM={jobs} scancel 2")
        told, _ = sweep.communicate(timeout=120)
    assert sweep.returncode == 1
    assert "failed: lora.r=2: job 1 ended early (NODE_FAIL)" in told
    assert "failed: lora.r=4: job 2 ended early (CANCELLED)" in told
    assert slurm.submitted(jobs) == ["1", "2"]
    assert "running" not in states(here)
    assert not any(alive(each["pid"]) for each in up(here))


@needs_submitit
def test_ctrl_c_cancels_what_was_submitted(tmp_path):
    cluster = slurm.lay_out(tmp_path / "cluster")
    jobs, here = Path(cluster["FAKE_SLURM"]), tmp_path / "here"
    here.mkdir()
    with started([*SWEEP, *SLURM], here, limit=None, **cluster, FAKE_SLURM_HOLD="yes") as sweep:
        until(lambda: slurm.submitted(jobs))  # and the command may not know of it yet
        sweep.send_signal(signal.SIGINT)
        told, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 130, told
    assert slurm.state(jobs, "1") == "CANCELLED"
    assert "python -m mtsweep" in told


@needs_submitit
@pytest.mark.parametrize("accounts", ["yes", "no"])
def test_jobs_of_a_command_that_was_killed_are_taken_over_and_those_that_are_gone_submitted(
    accounts, tmp_path
):
    cluster = slurm.lay_out(tmp_path / "cluster") | {"FAKE_SLURM_ACCOUNTS": accounts}
    jobs, here = Path(cluster["FAKE_SLURM"]), tmp_path / "here"
    here.mkdir()
    held = {**cluster, "FAKE_SLURM_HOLD": "yes"}
    command = [*SWEEP, *SLURM, "hydra.launcher.runs_per_job=1"]
    with started(command, here, limit=None, **held) as sweep:
        until(lambda: len([*here.glob("sweeps/*/jobs/*/job.json")]) == 2)
        sweep.send_signal(signal.SIGKILL)
        sweep.wait()
    os.system(f"PATH={cluster['PATH']} FAKE_SLURM={jobs} scancel 2")
    with started(command, here, limit=None, **held) as sweep:
        until(lambda: len([*here.glob("sweeps/*/jobs/*/job.json")]) == 3)
        sweep.send_signal(signal.SIGINT)
        told, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 130, told
    assert "job 1: is in the queue, submitted by an earlier command" in told
    assert slurm.submitted(jobs) == ["1", "2", "3"]
    assert {slurm.state(jobs, job) for job in ("1", "2", "3")} == {"CANCELLED"}


@needs_submitit
def test_a_sweep_in_jobs_of_submitit_on_this_machine_survives_a_termination(undisturbed, tmp_path):
    command = [*SWEEP, "hydra/launcher=submitit_local"]
    with started(command, tmp_path) as sweep:
        until(lambda: up(tmp_path))
        (controller,) = [pid for pid in descendants(sweep.pid) if _runs(pid, "submitit.local")]
        os.kill(controller, signal.SIGTERM)
        told, _ = sweep.communicate(timeout=240)
    assert sweep.returncode == 0, told
    assert "stopped behind a checkpoint" in told
    assert_equal(tmp_path, undisturbed)


@pytest.mark.skipif(importlib.util.find_spec("joblib") is None, reason="joblib is not installed")
def test_a_group_travels_as_one_job_of_joblib(undisturbed, tmp_path):
    command = [*SWEEP, "hydra/launcher=joblib", "hydra.launcher.runs_per_job=2"]
    code, told = finish(command, tmp_path)
    assert code == 0, told
    assert "jobs of joblib, 2 at once" in told
    assert len(up(tmp_path)) == 1
    assert told.count("Loading tiny_causal") == 1
    assert_equal(tmp_path, undisturbed)
    assert not alive(up(tmp_path)[0]["pid"])


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
def test_a_group_travels_as_one_task_of_ray(undisturbed, tmp_path):
    # Ray's sockets lie in its folder, and the name of a socket has 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as place:
        command = [
            *SWEEP, "hydra/launcher=ray", "hydra.launcher.ray.init.num_cpus=2",
            f"hydra.launcher.ray.init._temp_dir={place}",
        ]  # fmt: skip
        code, told = finish(command, tmp_path)
        assert code == 0, told
    assert "tasks of Ray, on this machine" in told
    assert len(up(tmp_path)) == 1
    assert told.count("Loading tiny_causal") == 1
    assert_equal(tmp_path, undisturbed)
    assert not alive(up(tmp_path)[0]["pid"])


def _runs(pid: int, module: str) -> bool:
    return module in Path(f"/proc/{pid}/cmdline").read_text()
