"""One training in two processes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from mtsweep import device, plan, ranks
from mtsweep.advice import steps_per_epoch
from mtsweep.config import SweepConfig
from mtsweep.errors import UserError
from mtsweep.sweep.slots import slots
from tests.inprocess import outcomes, work
from tests.overrides import config, job

RUN = [
    "lora.r=2", "lora.lora_dropout=0", "model=tiny_causal", "trainer=smoke", "data.test_size=6",
    "data.dev_size=4", "data.size=64", "trainer.max_steps=12", "trainer.logging_steps=4",
    "trainer.eval_steps=6", "tracking=none",
]  # fmt: skip


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one_with_the_whole_batch(here):
    alone = outcomes(work(*RUN, "trainer.per_device_train_batch_size=8"))
    two = ["trainer.per_device_train_batch_size=4", "trainer.processes=2"]
    assert alone == outcomes(work(*RUN, *two)) == ["finished"]
    assert "WORLD_SIZE" not in os.environ
    found = {}
    for path in here.glob("runs/*/record.json"):
        record = json.loads(path.read_text())
        if record["kind"] == "run":
            found[record["config"]["trainer"]["processes"]] = path.parent, record
    (one, _), (both, told) = found[1], found[2]
    assert told["environment"]["processes"] == 2
    assert told["environment"]["pairs_per_step"] == 8
    assert metrics(both) == pytest.approx(metrics(one), rel=1e-4)
    weights = [load_file(each / "adapter" / "adapter_model.safetensors") for each in (one, both)]
    moved = max(float(value.abs().max()) for name, value in weights[0].items() if "lora_B" in name)
    for name, value in weights[0].items():
        assert float((weights[1][name] - value).abs().max()) < 1e-3 * moved


def metrics(folder: Path) -> dict[tuple[int, str], float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    found = [
        (line["step"], name) for line in lines for name in ("loss", "eval_loss") if name in line
    ]
    assert len(found) == len(set(found)) == 3 + 2  # one process tells
    return {(line["step"], name): line[name] for line in lines
            for name in ("loss", "eval_loss") if name in line}  # fmt: skip


def test_several_processes_are_another_run_and_one_is_what_it_was():
    one = plan.identify(job({"model": "tiny_causal"}))
    same = plan.identify(job({"model": "tiny_causal", "trainer.processes": 1}))
    two = plan.identify(job({"model": "tiny_causal", "trainer.processes": 2}))
    assert one.id == same.id
    assert len({one.id, two.id}) == len({one.train_id, two.train_id}) == 2
    assert one.base_id == two.base_id
    asked = plan.Plan((one, two), (), 0, (), "here", Path())
    assert (asked.processes, replace(asked, runs=(one,)).processes) == (2, 1)


def test_a_step_takes_the_pairs_of_all_processes():
    trainer = config(
        {
            "trainer.per_device_train_batch_size": 4,
            "trainer.gradient_accumulation_steps": 3,
            "trainer.processes": 2,
        }
    ).trainer
    assert trainer.batch == 24
    assert steps_per_epoch(trainer, 240) == 10


def test_a_worker_gets_a_gpu_for_each_process(monkeypatch):
    gpus = tuple(device.Gpu(str(n), "H100", 1 << 36, 1 << 36) for n in range(5))
    monkeypatch.setattr(device, "gpus", lambda: gpus)
    given = [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in slots(SweepConfig(), 2)]
    assert given == ["0,1", "2,3"]
    with pytest.raises(UserError, match=r"trainer.processes: 8 need a GPU each, and there are 5"):
        slots(SweepConfig(), 8)
    monkeypatch.setattr(device, "gpus", tuple)
    monkeypatch.setattr(device, "cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert slots(SweepConfig(workers=2), 2)[0].environment["OMP_NUM_THREADS"] == "2"


def test_alone_there_is_nothing_to_share():
    assert ranks.first()
    assert ranks.count() == 1
    assert ranks.share("x") == "x"
    ranks.gather_here()
