"""What happens while a trainer runs: figures go to the listener, a loss that is lost stops it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, Protocol

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mtsweep import device
from mtsweep.errors import RunFailedError


class Listener(Protocol):
    """Who wants to know how training goes. Steps are optimiser steps."""

    def say(self, text: str) -> None:
        """Something worth a line."""

    def begin(self, done: int, total: int) -> None:
        """Training starts, with ``done`` of ``total`` steps taken before."""

    def step(self, done: int, figures: Mapping[str, float]) -> None:
        """``done`` steps are taken; ``figures`` has ``tokens_per_second`` (padding apart)."""

    def metrics(self, step: int, metrics: dict[str, float]) -> None:
        """Figures after a step: losses, learning rate, gradient norm."""

    def looked(self, step: int, best: float) -> None:
        """The dev set was looked at, and there are steps to come; ``best`` is of the best step.

        Raises:
            Pruned: if it is not worth going on.
        """


_SUMMARY = "train_runtime"
_OVERFLOWS = 20
"""So many of them one behind the other are a fault: a scale of 2**16 is below 1 by then."""


class Report(TrainerCallback):
    """Passes steps and figures on.

    Raises:
        RunFailedError: at the first logged loss or gradient norm that is not finite.
    """

    def __init__(self, listener: Listener, tokens_per_pair: float) -> None:
        self.listener = listener
        self.tokens_per_pair = tokens_per_pair
        self.began = (0, 0.0)
        self.step_began = 0.0
        self.steps: list[float] = []
        """Seconds of each step of this start: no dev set, no checkpoints."""
        self.overflows = 0
        """Logged gradients, one behind the other, that float16 could not hold."""

    @property
    def pace(self) -> float | None:
        """Seconds a step; the first one is left out, which loads and compiles kernels.

        ``None`` where no step was taken.
        """
        usual = self.steps[1:] or self.steps
        return sum(usual) / len(usual) if usual else None

    def on_train_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Start counting."""
        self.began = (state.global_step, time.monotonic())
        self.listener.begin(state.global_step, state.max_steps)

    def on_step_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Look at the clock."""
        self.step_began = time.monotonic()

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Count a step."""
        device.settle()
        self.steps.append(time.monotonic() - self.step_began)
        first, started = self.began
        pairs = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        tokens = (state.global_step - first) * pairs * self.tokens_per_pair
        rate = tokens / max(time.monotonic() - started, 1e-9)
        self.listener.step(state.global_step, {"tokens_per_second": rate})

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        logs: dict[str, Any] | None = None,
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Pass figures on, once they are known to be finite."""
        if not logs or _SUMMARY in logs:
            return
        figures = {key: float(value) for key, value in logs.items() if _is_number(value)}
        if args.fp16 and self._overflows(figures.get("grad_norm", 0.0)):
            del figures["grad_norm"]
        for key in ("loss", "grad_norm", "eval_loss"):
            if not math.isfinite(figures.get(key, 0.0)):
                raise RunFailedError(
                    f"not finite: {key} is {figures[key]} at step {state.global_step}; lower "
                    "trainer.learning_rate, or set trainer.max_grad_norm"
                )
        self.listener.metrics(state.global_step, figures)

    def _overflows(self, norm: float) -> bool:
        """Whether a gradient is one that float16 could not hold, of a step that is left out.

        The scale of the loss begins high and is halved each time: some such steps are no fault.
        """
        self.overflows = 0 if math.isfinite(norm) else self.overflows + 1
        return 0 < self.overflows < _OVERFLOWS


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True
