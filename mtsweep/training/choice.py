"""Which step's weights are kept, and when training ends early.

HF's own way (``load_best_model_at_end``) cannot translate with a decoder-only model, needs a whole
checkpoint at every look, and loses its patience on the way through an interruption. Here the best
weights lie beside the checkpoints, and every checkpoint holds them and what was seen so far: a
training that goes on chooses as one that was never interrupted.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mtsweep.config import TrainerConfig
from mtsweep.interruption import Interrupted
from mtsweep.record import write
from mtsweep.scores import LABELS, direction
from mtsweep.training.callbacks import Listener
from mtsweep.training.checkpoints import place

_WEIGHTS = "best.safetensors"
_SEEN = "choice.json"


@dataclass(frozen=True)
class DevSet:
    """How the dev set is translated while a model is trained."""

    score: Callable[[Any], dict[str, float]]
    """Takes the model; returns ``dev_chrf``, ``dev_bleu`` and what a step is chosen by."""
    every: int | None
    """Optimiser steps between two translations; ``None``: as often as a dev loss is taken."""


@dataclass
class Seen:
    """What the dev set said so far."""

    value: float | None = None
    """The best."""
    step: int = 0
    """Of the best."""
    waited: int = 0
    """Looks since then, as far as they count for the patience."""
    looks: int = 0
    stopped: bool = False
    owed: bool = False
    """Whether the translation of this step is still to be made: it was interrupted."""


@dataclass
class Chooser(TrainerCallback):
    """Looks at the dev set, keeps the best weights, and ends training when nothing is gained.

    It stands behind what tells of the steps, and before what seals checkpoints.
    """

    trainer: TrainerConfig
    dev: DevSet | None
    run_folder: Path
    listener: Listener
    seen: Seen = field(default_factory=Seen)
    steps_per_epoch: int = 1

    def resume(self, checkpoint: Path | None) -> None:
        """Take up what a checkpoint holds; ``None``: begin."""
        best = place(self.run_folder) / _WEIGHTS
        if checkpoint is None or not (checkpoint / _SEEN).is_file():
            best.unlink(missing_ok=True)
            return
        self.seen = Seen(**json.loads((checkpoint / _SEEN).read_text(encoding="utf-8")))
        if (checkpoint / _WEIGHTS).is_file():
            _link(checkpoint / _WEIGHTS, best)

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        train_dataloader: Any = None,  # noqa: ANN401
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Learn how long an epoch is."""
        batches = len(train_dataloader) if train_dataloader is not None else 1
        self.steps_per_epoch = max(math.ceil(batches / args.gradient_accumulation_steps), 1)

    def pay(self, step: int, model: Any) -> None:  # noqa: ANN401
        """Make up for a translation that was interrupted.

        Raises:
            Interrupted: if it is again; the checkpoint that owes it stands.
        """
        if self.seen.owed:
            self._translate(step, model)
            self.seen.owed = False

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,  # noqa: ANN401
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Translate, or ask for a dev loss, where one is due."""
        trainer = self.trainer
        if self.dev and self._due(state, self.dev.every or trainer.eval_steps):
            try:
                step = state.global_step
                self._translate(step, model, last=step >= state.max_steps)
            except Interrupted:  # behind a checkpoint, which tells that it is owed
                self.seen.owed = control.should_save = True
        if trainer.metric_for_best_model == "eval_loss" and self._due(state, trainer.eval_steps):
            control.should_evaluate = True
        if self.seen.stopped:
            control.should_training_stop = True

    def _due(self, state: TrainerState, every: int | None) -> bool:
        step = state.global_step
        return step % (every or self.steps_per_epoch) == 0 or step >= state.max_steps

    def _translate(self, step: int, model: Any, *, last: bool = True) -> None:  # noqa: ANN401
        if self.dev is None:
            return
        figures = self.dev.score(model)
        self.listener.metrics(step, figures)
        if self.trainer.translates:
            metric = self.trainer.metric_for_best_model
            self._look(figures[f"dev_{metric}"], step, model, last=last)

    def on_evaluate(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        model: Any = None,  # noqa: ANN401
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Look at a dev loss."""
        if self.trainer.metric_for_best_model == "eval_loss" and metrics:
            step = state.global_step
            self._look(metrics["eval_loss"], step, model, last=step >= state.max_steps)
            if self.seen.stopped:
                control.should_training_stop = True

    def _look(self, value: float, step: int, model: Any, *, last: bool = True) -> None:  # noqa: ANN401
        seen, threshold = self.seen, self.trainer.early_stopping_threshold or 0.0
        sign = -1 if direction(self.trainer.metric_for_best_model or "") == "lower" else 1
        gain = math.inf if seen.value is None else sign * (value - seen.value)
        seen.looks += 1
        seen.waited = 0 if gain > threshold else seen.waited + 1
        if gain > 0:
            seen.value, seen.step = value, step
            _keep(model, place(self.run_folder) / _WEIGHTS)
        patience = self.trainer.early_stopping_patience
        seen.stopped = patience is not None and seen.waited >= patience
        if seen.value is not None and not (seen.stopped or last):
            self.listener.looked(step, seen.value)

    def on_save(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Put the best weights and what was seen into the checkpoint, before it is sealed."""
        folder = place(self.run_folder)
        checkpoint = folder / f"checkpoint-{state.global_step}"
        if self.seen.value is not None:
            _link(folder / _WEIGHTS, checkpoint / _WEIGHTS)
        write(checkpoint / _SEEN, json.dumps(asdict(self.seen)) + "\n")

    def take_best(self, model: Any, steps: int) -> dict[str, Any]:  # noqa: ANN401
        """Put the best weights into the model.

        Args:
            model: As the last step left it.
            steps: Optimiser steps taken.

        Returns:
            What a record tells of the choice; empty where nothing was to be chosen.
        """
        metric, seen = self.trainer.metric_for_best_model, self.seen
        if metric is None or seen.value is None:
            return {}
        _restore(model, place(self.run_folder) / _WEIGHTS)
        early = ", where training ended early" if seen.stopped else ""
        self.listener.say(
            f"keeps step {seen.step} of {steps}{early}: dev {LABELS.get(metric, 'loss')} "
            f"{seen.value:.4g}, the best of {seen.looks} look{'s' * (seen.looks != 1)}"
        )
        return {
            "metric": metric, "value": seen.value, "step": seen.step, "looks": seen.looks,
            "stopped_early": seen.stopped,
        }  # fmt: skip


def _keep(model: Any, path: Path) -> None:  # noqa: ANN401
    """Store what is trained of a model, in one step."""
    from safetensors.torch import save

    tensors = {
        name: each.detach().cpu().contiguous()
        for name, each in model.named_parameters()
        if each.requires_grad
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, save(tensors))


def _restore(model: Any, path: Path) -> None:  # noqa: ANN401
    import torch
    from safetensors.torch import load_file

    tensors = load_file(path)
    with torch.no_grad():
        for name, each in model.named_parameters():
            if each.requires_grad:
                each.copy_(tensors[name])


def _link(one: Path, other: Path) -> None:
    """The same content under another name: as a link where the disk has links, else as a copy."""
    draft = other.with_name(f"{other.name}.draft")
    draft.unlink(missing_ok=True)
    try:
        os.link(one, draft)
    except OSError:
        shutil.copyfile(one, draft)
    draft.replace(other)
