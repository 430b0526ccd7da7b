"""Training that fails in ways that a CPU does not fail by itself.

``TEST_FAULT=oom:4``: more than four examples at once are too many, as CUDA would say it.
``TEST_FAULT=hang:FILE``: the first training step ever hangs; ``FILE`` gets the id of a process that
it started before.
``TEST_FAULT=assert:FILE``: the first training step ever does what a CUDA device refuses, after
which it computes nothing more for that process; ``FILE`` is made.
``TEST_FAULT=gradient:3``: the third step has a gradient that is not finite, behind a finite loss.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.imports import when_imported


def _faulty(trainer: Any) -> None:
    kind, _, told = os.environ["TEST_FAULT"].partition(":")
    step = trainer.training_step

    def training_step(self: Any, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        import torch

        if kind == "gradient":
            loss = step(self, model, inputs, *rest, **named)
            if self.state.global_step + 1 == int(told):
                update = next(each for each in model.parameters() if each.grad is not None)
                update.grad.fill_(float("inf"))
            return loss
        if kind == "oom" and inputs["input_ids"].shape[0] > int(told):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        if kind == "assert" and not Path(told).exists():
            Path(told).touch()
            torch.zeros(2, device="cuda")[torch.tensor([9], device="cuda")].sum().item()
        if kind == "hang" and not Path(told).exists():
            child = subprocess.Popen(["sleep", "3600"])
            Path(told).write_text(str(child.pid))
            time.sleep(3600)
        return step(self, model, inputs, *rest, **named)

    trainer.training_step = training_step


def begin() -> None:
    """Let trainings of this process fail as its environment says."""
    when_imported({"transformers.trainer"}, lambda module: _faulty(module.Trainer))
