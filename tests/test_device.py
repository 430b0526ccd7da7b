"""What errors of a device mean, without one; ``tests/gpu`` is for machines that have one."""

from __future__ import annotations

import pytest

from mtsweep import device
from mtsweep import run as spine
from mtsweep.config import SweepConfig, TrainerConfig
from mtsweep.errors import UserError
from mtsweep.sweep.memory import memory
from mtsweep.sweep.process import death
from mtsweep.sweep.slots import slots
from mtsweep.training import settings
from tests.inprocess import work
from tests.overrides import config

GIB = 1 << 30
TWO = tuple(device.Gpu(f"GPU-{n}", "T4", 15 * GIB, (14 - n) * GIB) for n in range(2))


@pytest.mark.parametrize(
    ("error", "no_memory", "lost"),
    [
        ("OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", True, False),
        ("AcceleratorError: CUDA error: out of memory", True, False),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling", True, False),
        ("AcceleratorError: CUDA error: device-side assert triggered", False, True),
        ("RuntimeError: CUDA error: an illegal memory access was encountered", False, True),
        ("RuntimeError: mat1 and mat2 shapes cannot be multiplied", False, False),
    ],
)
def test_what_an_error_means(error, no_memory, lost):
    import torch

    kind, _, told = error.partition(": ")
    made = RuntimeError(told) if kind == "RuntimeError" else getattr(torch, kind)(told)
    assert (device.is_out_of_memory(made), device.is_lost(made)) == (no_memory, lost)


def test_a_lost_device_ends_the_worker_and_leaves_the_run_to_another(here, monkeypatch):
    import torch

    def broken(*_):
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(spine, "execute", broken)
    with pytest.raises(SystemExit) as caught:
        work("model=tiny_causal", "trainer=smoke", "tracking=none", "data.size=16")
    assert caught.value.code == device.LOST
    assert "CUDA failed" in death(device.LOST)
    [log] = here.glob("runs/*/log.txt")
    assert "device-side assert" in log.read_text(encoding="utf-8")


def test_slots_are_called_by_their_gpus(monkeypatch):
    monkeypatch.setattr(device, "gpus", lambda: TWO)
    assert [slot.name for slot in slots(SweepConfig())] == ["cuda:0", "cuda:1"]
    assert [slot.name for slot in slots(SweepConfig(devices=(1,)))] == ["cuda:1"]
    shared = slots(SweepConfig(devices=(0, 0, 1)))
    assert [slot.name for slot in shared] == ["cuda:0", "cuda:0#2", "cuda:1"]
    assert shared[0].environment == shared[1].environment
    with pytest.raises(UserError, match="need a GPU each, and there are 1"):
        slots(SweepConfig(devices=(1, 1)), 2)


def test_what_others_hold_of_a_gpu_is_not_free(monkeypatch):
    monkeypatch.setattr(device, "gpus", lambda: TWO)
    there = memory(SweepConfig())
    assert (there.free, there.whole) == (13 * GIB, 15 * GIB)
    shared = memory(SweepConfig(devices=(0, 0, 1)))
    assert (shared.free, shared.whole) == (13 * GIB // 2, 15 * GIB // 2)


@pytest.mark.parametrize(
    ("capability", "said", "wanted"),
    [
        ((8, 0), {}, (True, False)),
        ((7, 5), {}, (False, True)),
        ((8, 0), {"fp16": True}, (False, True)),
        ((7, 5), {"bf16": True}, (True, False)),
        ((9, 0), {"bf16": False}, (False, False)),
        ((7, 5), {"bf16": False}, (False, False)),
    ],
)
def test_sixteen_bits_are_what_the_device_computes_fast(
    tmp_path, monkeypatch, capability, said, wanted
):
    import torch

    monkeypatch.setattr(device, "device", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
    trainer = TrainerConfig.model_validate({**config().trainer.model_dump(), **said})
    made = settings._shared(trainer, 1, tmp_path)
    assert (made["bf16"], made["fp16"]) == wanted
    assert device.dtype("auto") is (torch.bfloat16 if capability[0] >= 8 else torch.float16)


class _Deaf:
    """Listens to nothing but figures."""

    def __init__(self) -> None:
        self.figures: list[dict[str, float]] = []

    def metrics(self, step: int, metrics: dict[str, float]) -> None:
        assert step >= 0
        self.figures.append(metrics)


@pytest.mark.parametrize("fp16", [True, False])
def test_a_gradient_that_float16_could_not_hold_is_left_out_for_a_while(fp16):
    from types import SimpleNamespace
    from typing import Any, cast

    from mtsweep.errors import RunFailedError
    from mtsweep.training.callbacks import Report

    heard = _Deaf()
    report, state = Report(cast(Any, heard), 1.0), cast(Any, SimpleNamespace(global_step=3))
    log = {"loss": 1.0, "grad_norm": float("inf")}

    def look(times: int) -> None:
        for _ in range(times):
            report.on_log(cast(Any, SimpleNamespace(fp16=fp16)), state, cast(Any, None), log)

    if not fp16:
        with pytest.raises(RunFailedError, match="grad_norm is inf at step 3"):
            look(1)
        return
    look(5)
    assert heard.figures == [{"loss": 1.0}] * 5
    report.on_log(cast(Any, SimpleNamespace(fp16=True)), state, cast(Any, None), {"grad_norm": 2.0})
    with pytest.raises(RunFailedError, match="grad_norm is inf"):
        look(20)
