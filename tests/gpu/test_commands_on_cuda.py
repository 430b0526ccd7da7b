"""Commands on a CUDA device, broken from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mtsweep import device
from tests.nursery import STARTUP
from tests.sweep.test_survival import (
    checkpoints,
    descendants,
    finish,
    records,
    started,
    states,
    until,
)

pytestmark = pytest.mark.gpu

SWEEP = [
    "-m", "model=tiny_causal", "trainer=smoke", "data.test_size=6", "data.dev_size=4",
    "data.size=64", "trainer.eval_steps=1000", "tracking=none", "trainer.max_steps=200",
    "trainer.save_steps=20",
]  # fmt: skip


def weights(folder: Path) -> np.ndarray:
    [adapter] = folder.glob("runs/*/adapter/adapter_model.safetensors")
    return np.concatenate([each.ravel() for each in load_file(adapter).values()])


def used() -> int:
    """MiB of the first GPU that anybody holds."""
    told = subprocess.run(
        ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(told.stdout.split()[0])


def test_a_killed_worker_goes_on_and_nothing_is_left_on_the_device(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    before = used()
    code, told = finish(SWEEP, whole)
    assert code == 0, told
    with started(SWEEP, broken) as process:
        until(lambda: checkpoints(broken))
        for pid in descendants(process.pid)[:1]:
            os.kill(pid, signal.SIGKILL)
        told, _ = process.communicate(timeout=240)
        assert process.returncode == 0, told
    assert "taken up again" in told
    assert states(broken) == states(whole)
    one, other = weights(whole), weights(broken)
    print(f"equal bit for bit: {np.array_equal(one, other)}; apart {np.abs(one - other).max():.2e}")
    assert np.allclose(one, other, atol=1e-3)
    assert used() <= before + 64


def test_a_lost_device_costs_one_try_and_no_other_run(tmp_path):
    code, told = finish(
        [*SWEEP, "lora.r=2,4,8"],
        tmp_path,
        PYTHONPATH=os.pathsep.join([STARTUP, os.environ.get("PYTHONPATH", "")]),
        TEST_FAULT=f"assert:{tmp_path / 'once'}",
    )
    assert code == 0, told
    assert "CUDA failed, and computes nothing more in that worker" in told
    assert len(records(tmp_path)) == 3


def test_two_workers_on_one_device_do_the_same_work(tmp_path):
    code, told = finish([*SWEEP, "lora.r=2,4", "seed=1,2", "sweep.devices=[0,0]"], tmp_path)
    assert code == 0, told
    assert states(tmp_path).count("finished") >= 4


def test_a_gpu_that_is_not_there_is_refused(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mtsweep", *SWEEP, f"sweep.devices=[{len(device.gpus())}]"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "sweep.devices: there is no GPU" in done.stdout + done.stderr
