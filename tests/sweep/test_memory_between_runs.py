"""What ten runs of one process leave in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROGRAM = """
import gc, json
import torch
from mtsweep import device
from mtsweep.sweep.worker import Worker
from tests.inprocess import outcomes, work

held, do = [], Worker._do

def measured(self, run):
    ended = do(self, run)
    gc.collect()
    alive = {each.data_ptr(): each.nbytes for each in gc.get_objects()
             if isinstance(each, torch.nn.Parameter)}
    held.append((device.memory(), sum(alive.values())))
    return ended

Worker._do = measured
events = work("-m", "model=tiny_causal", "lora=lora,none", "seed=1,2,3,4,5", "trainer=smoke",
              "data.test_size=6", "data.dev_size=4", "data.size=16", "tracking=none",
              "decoding.max_new_tokens=8")
assert outcomes(events) == ["finished"] * 10, events
print(json.dumps(held))
"""


@pytest.mark.slow
def test_ten_runs_of_a_process_leave_what_the_first_one_left(here):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    held = json.loads(done.stdout.splitlines()[-1])
    assert len(held) == 10
    resident, weights = [each[0] for each in held], [each[1] for each in held]
    assert resident[0] > 100 << 20, "libraries alone are more than that"
    assert resident[-1] <= 1.05 * resident[0], [f"{each / 2**20:.0f} MiB" for each in resident]
    # Small models hide in that: one base model's weights are what may be there, and no other.
    assert weights[0] > 0
    assert max(weights) <= weights[0], weights
