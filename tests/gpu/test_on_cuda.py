"""Runs on a CUDA device, in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mtsweep import device
from mtsweep.config import LoraConfig, SweepConfig
from mtsweep.data.phrases import phrases
from mtsweep.serve import resolve
from mtsweep.serve.translator import opened
from mtsweep.sweep.memory import memory
from mtsweep.sweep.slots import slots
from tests.inprocess import outcomes, work
from tests.small import small_base

pytestmark = pytest.mark.gpu

FEW = [
    "trainer=smoke", "data.test_size=6", "data.dev_size=4", "data.size=64", "tracking=none",
    "decoding.max_new_tokens=8", "trainer.max_steps=12", "trainer.learning_rate=0.01",
]  # fmt: skip
TINY = ["-m", "model=tiny_causal", *FEW]


def records(here: Path) -> list[dict]:
    found = [
        json.loads(path.read_text(encoding="utf-8")) for path in here.glob("runs/*/record.json")
    ]
    return [record for record in found if record["kind"] == "run"]


def test_the_driver_and_torch_tell_the_same_of_each_gpu():
    import torch

    found = device.gpus()
    assert len(found) == torch.cuda.device_count()
    for number, gpu in enumerate(found):
        properties = torch.cuda.get_device_properties(number)
        assert gpu.name == properties.name
        assert abs(gpu.total - properties.total_memory) < 0.05 * gpu.total
    assert device.describe().endswith("GiB")
    assert memory(SweepConfig()).free == min(gpu.free for gpu in found)


def test_two_workers_may_share_a_gpu():
    first, second = slots(SweepConfig(devices=(0, 0)))
    assert first.environment == second.environment
    assert (first.name, second.name) == ("cuda:0", "cuda:0#2")
    one, both = memory(SweepConfig()), memory(SweepConfig(devices=(0, 0)))
    assert one.whole is not None
    assert both.whole == one.whole // 2


@pytest.mark.parametrize("model", ["tiny_causal", "tiny_seq2seq"])
def test_every_way_of_tuning_runs_and_leaves_the_device_as_it_was(here, monkeypatch, model):
    import torch

    from mtsweep.sweep.worker import Worker

    held: dict[tuple, list[int]] = {}
    do = Worker._do

    def measured(self, run):
        ended = do(self, run)
        lora = run.config.lora
        way = lora.method, lora.use_dora, lora.load_in_4bit
        held.setdefault(way, []).append(torch.cuda.memory_allocated())
        return ended

    monkeypatch.setattr(Worker, "_do", measured)
    ways = "lora=lora,dora,qlora,none"
    events = work("-m", f"model={model}", ways, "seed=1,2,3", *FEW)
    assert outcomes(events) == ["finished"] * 12, events
    assert all(runs[1:] == runs[:1] * 2 for runs in held.values()), held
    made = records(here)
    assert {record["environment"]["device"] for record in made} == {device.in_use()}
    assert all(0 < record["cost"]["peak_memory_bytes"] < 1 << 30 for record in made)
    assert all(record["cost"]["seconds_per_step"] > 0 for record in made)


def test_four_bits_are_on_the_device_and_take_a_third():
    import torch

    plain = small_base("tiny_causal")
    bytes_before = torch.cuda.memory_allocated()
    four = small_base("tiny_causal", LoraConfig(method="lora", load_in_4bit=True))
    kinds = {type(each).__name__ for each in four.model.parameters()}
    assert "Params4bit" in kinds
    assert {each.device.type for each in four.model.parameters()} == {"cuda"}
    assert torch.cuda.memory_allocated() - bytes_before < bytes_before
    assert plain.unchanged()
    assert four.unchanged()


def test_memory_that_runs_out_halves_the_micro_batch(here):
    import torch

    big = ["-m", "model=tiny_causal", *FEW, "trainer.per_device_train_batch_size=64"]
    assert outcomes(work(*big, "lora.r=2")) == ["finished"]
    [whole] = records(here)
    device.free_memory()
    peak, total = whole["cost"]["peak_memory_bytes"], torch.cuda.mem_get_info()[1]
    try:
        torch.cuda.set_per_process_memory_fraction(0.7 * peak / total)
        assert outcomes(work(*big, "lora.r=4")) == ["finished"]
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    [adjusted] = [record["adjusted"] for record in records(here) if record["adjusted"]]
    micro = adjusted["per_device_train_batch_size"]
    assert micro < 64
    assert micro * adjusted["gradient_accumulation_steps"] == 64


def test_a_device_without_bfloat16_trains_in_float16(here, monkeypatch):
    import torch

    monkeypatch.setattr(device, "half", lambda: torch.float16)
    assert device.dtype("auto") is torch.float16
    assert outcomes(work(*TINY, "lora=lora,none")) == ["finished"] * 2
    for path in here.glob("runs/*/metrics.jsonl"):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        losses = [line["loss"] for line in lines if "loss" in line]
        assert losses == [] or losses[-1] < losses[0]


def test_the_device_and_a_cpu_say_the_same(here):
    assert outcomes(work(*TINY, "model.dtype=float32")) == ["finished"]
    [record] = records(here)
    chosen = resolve.choose(record["id"], here)
    lines = [row["eng_Latn"] for book in phrases().values() for row in book][:40]
    told = []
    for name in ("cuda", "cpu"):
        device.use(name)
        try:
            with opened(chosen.config, chosen.trained, chosen.known) as translator:
                told.append([each.text for each in translator.translate(lines)])
        finally:
            device.use("auto")
    assert sum(one == other for one, other in zip(*told, strict=True)) >= 38
