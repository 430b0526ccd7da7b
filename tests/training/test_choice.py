"""The step that the dev set chooses, also through interruptions; when training ends early."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import EarlyStoppingCallback, TrainerControl, TrainerState

from mtsweep import interruption
from mtsweep.config import LoraConfig, TrainerConfig
from mtsweep.data.devset import spread, without_test
from mtsweep.data.pairs import Corpus, Pair
from mtsweep.errors import UserError
from mtsweep.interruption import Interrupted
from mtsweep.models.adapters import adapted
from mtsweep.training import DevSet, Fitted, checkpoints, fit
from mtsweep.training.choice import Chooser
from tests.small import PROMPT, small_base
from tests.training.test_checkpoints import CORPUS, PAIRS, Heard, same

VALUES = {2: 1.0, 4: 5.0, 6: 3.0, 8: 4.0, 9: 2.0}
"""Step to what the dev set shall say of it; 9 is the last."""
WITH_LORA = LoraConfig(method="lora", r=4, lora_dropout=0.2)


@pytest.fixture(autouse=True)
def _nobody_asks():
    yield
    interruption._asked.clear()


@pytest.fixture(
    scope="module",
    params=["tiny_causal", pytest.param("tiny_seq2seq", marks=pytest.mark.slow)],
)
def base(request):
    return small_base(request.param)


class Dev:
    """Says of each step what it is told to, notes the weights, and may be interrupted."""

    def __init__(self, values: dict[int, float], heard: Steps, interrupted_at: int = 0) -> None:
        self.values, self.heard, self.interrupted_at = values, heard, interrupted_at
        self.weights: dict[int, dict[str, torch.Tensor]] = {}

    def __call__(self, model) -> dict[str, float]:
        step = self.heard.last
        if step == self.interrupted_at:
            raise Interrupted
        self.weights[step] = trained(model)
        return {"dev_chrf": self.values[step], "dev_bleu": -self.values[step]}


class Steps(Heard):
    """Knows the step, and keeps every figure."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__(stop_at)
        self.last = 0
        self.figures: list[tuple[int, dict[str, float]]] = []

    def begin(self, done: int, total: int) -> None:
        super().begin(done, total)
        self.last = done

    def step(self, done: int, figures: object) -> None:
        self.last = done
        super().step(done, figures)

    def metrics(self, step: int, metrics: dict[str, float]) -> None:
        self.figures.append((step, metrics))
        super().metrics(step, metrics)


def trained(model) -> dict[str, torch.Tensor]:
    named = model.named_parameters()
    return {name: each.detach().clone() for name, each in named if each.requires_grad}


def train(base, folder: Path, heard: Steps, dev: Dev | None, **changes) -> tuple[Any, Any]:
    """What a training comes to, and the weights it leaves; ``None`` where it was interrupted."""
    values = {
        "learning_rate": 1e-2, "max_steps": 9, "per_device_train_batch_size": 4,
        "logging_steps": 1, "save_steps": 3, "save_total_limit": 9, "eval_steps": 2,
        "metric_for_best_model": "chrf", "lr_scheduler_type": "constant",
    }  # fmt: skip
    trainer = TrainerConfig(**{**values, **changes})
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    fitted: Fitted | None = None
    dev_set = DevSet(dev, 2) if dev else None
    with adapted(base, WITH_LORA, 1, None) as model:
        try:
            fitted = fit(model, codec, CORPUS, trainer, 1, folder, heard, dev_set)
        except Interrupted:
            interruption._asked.clear()
        return fitted, trained(model)


@pytest.fixture(scope="module")
def whole(base, tmp_path_factory):
    folder, heard = tmp_path_factory.mktemp("whole"), Steps()
    dev = Dev(VALUES, heard)
    fitted, weights = train(base, folder, heard, dev)
    return SimpleNamespace(folder=folder, heard=heard, dev=dev, fitted=fitted, weights=weights)


def test_the_weights_of_the_best_step_are_kept_bit_for_bit(whole):
    assert sorted(whole.dev.weights) == [2, 4, 6, 8, 9]
    assert same(whole.weights, whole.dev.weights[4])
    assert not same(whole.weights, whole.dev.weights[6])
    assert whole.fitted.steps == 9
    assert whole.fitted.chosen == {
        "metric": "chrf", "value": 5.0, "step": 4, "looks": 5, "stopped_early": False,
    }  # fmt: skip
    assert "keeps step 4 of 9: dev chrF 5, the best of 5 looks" in whole.heard.said


def test_the_curve_of_the_dev_set_is_among_the_figures(whole):
    told = {step: each["dev_chrf"] for step, each in whole.heard.figures if "dev_chrf" in each}
    assert told == VALUES


@pytest.mark.parametrize(
    "stop_at", [3, *(pytest.param(step, marks=pytest.mark.slow) for step in (4, 5, 9))]
)
def test_an_interrupted_training_chooses_as_one_that_was_not(base, whole, tmp_path, stop_at):
    heard = Steps(stop_at)
    assert train(base, tmp_path, heard, Dev(VALUES, heard))[0] is None
    heard = Steps()
    fitted, weights = train(base, tmp_path, heard, Dev(VALUES, heard))
    assert heard.begun == [(stop_at, 9)]
    assert same(weights, whole.weights)
    assert fitted.chosen == whole.fitted.chosen
    assert fitted.steps == 9


@pytest.mark.parametrize(
    "at", [4, *(pytest.param(step, marks=pytest.mark.slow) for step in (2, 8, 9))]
)
def test_a_translation_that_was_interrupted_is_made_up_for(base, whole, tmp_path, at):
    heard = Steps(stop_at=at)
    assert train(base, tmp_path, heard, Dev(VALUES, heard, interrupted_at=at))[0] is None
    heard = Steps()
    heard.last = at
    fitted, weights = train(base, tmp_path, heard, Dev(VALUES, heard))
    assert same(weights, whole.weights)
    assert fitted.chosen == whole.fitted.chosen


@pytest.mark.parametrize("upto", [3, 6])
def test_a_killed_training_forgets_what_it_saw_behind_its_checkpoint(base, whole, tmp_path, upto):
    folder = tmp_path / "run"
    shutil.copytree(whole.folder, folder)
    for path in checkpoints.place(folder).glob("checkpoint-*"):
        if int(path.name.partition("-")[2]) > upto:
            shutil.rmtree(path)
    (checkpoints.place(folder) / "best.safetensors").write_bytes(b"of a later step")
    heard = Steps()
    fitted, weights = train(base, folder, heard, Dev(VALUES, heard))
    assert same(weights, whole.weights)
    assert fitted.chosen == whole.fitted.chosen


def test_a_checkpoint_whose_best_weights_are_not_whole_is_put_aside(whole, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(whole.folder, folder)
    (checkpoints.place(folder) / "checkpoint-9" / "best.safetensors").write_bytes(b"cut")
    start, told = checkpoints.latest(folder)
    assert start is not None
    assert start.step == 6
    assert "best.safetensors is not as it was written" in told[0]


def test_training_ends_early_and_stays_ended_when_it_is_taken_up_again(base, tmp_path):
    heard = Steps()
    dev = Dev(VALUES, heard)
    fitted, weights = train(base, tmp_path, heard, dev, early_stopping_patience=2, save_steps=2)
    assert fitted.steps == 8
    assert fitted.chosen["stopped_early"]
    assert same(weights, dev.weights[4])
    # The checkpoints are still there, as if it had been killed before its weights were stored.
    again = Steps()
    fitted, taken = train(base, tmp_path, again, None, early_stopping_patience=2, save_steps=2)
    assert again.losses == {}
    assert fitted.steps == 8
    assert same(taken, weights)


@pytest.mark.parametrize("eval_steps", [3, None], ids=["by steps", "by epochs"])
def test_the_dev_loss_chooses_where_it_is_asked_to(base, tmp_path, eval_steps):
    heard = Steps()
    fitted, weights = train(
        base, tmp_path, heard, None, metric_for_best_model="eval_loss", eval_steps=eval_steps,
        learning_rate=0.5, max_steps=12,
    )  # fmt: skip
    losses = {step: each["eval_loss"] for step, each in heard.figures if "eval_loss" in each}
    assert sorted(losses) == ([3, 6, 9, 12] if eval_steps else [6, 12])
    step = min(losses, key=lambda step: losses[step])
    assert (fitted.chosen["step"], fitted.chosen["value"]) == (step, losses[step])
    again = Steps(stop_at=step)
    folder = tmp_path / "again"
    train(base, folder, again, None, metric_for_best_model="eval_loss", eval_steps=eval_steps,
          learning_rate=0.5, max_steps=12)  # fmt: skip
    seen = json.loads((checkpoints.place(folder) / f"checkpoint-{step}/choice.json").read_text())
    assert seen["step"] == step


def stops_at(metric: str, values: list[float], patience: int, threshold: float) -> int | None:
    """Where HF's own callback stops."""
    greater = metric == "chrf"
    args = SimpleNamespace(
        metric_for_best_model=f"eval_{metric.removeprefix('eval_')}", greater_is_better=greater,
        load_best_model_at_end=True, eval_strategy="steps",
    )  # fmt: skip
    hf = EarlyStoppingCallback(patience, threshold)
    state, control = TrainerState(), TrainerControl()
    for place, value in enumerate(values):
        hf.on_evaluate(args, state, control, {args.metric_for_best_model: value})
        if control.should_training_stop:
            return place
        best = state.best_metric
        if best is None or (value > best if greater else value < best):
            state.best_metric = value
    return None


@pytest.mark.parametrize("metric", ["chrf", "ter", "eval_loss"])
@pytest.mark.parametrize(("patience", "threshold"), [(1, 0.0), (2, 0.0), (2, 0.75), (3, 1.5)])
def test_patience_and_threshold_are_those_of_hf(metric, patience, threshold, tmp_path):
    generator = torch.Generator().manual_seed(patience)
    trainer = TrainerConfig(
        learning_rate=1e-3, metric_for_best_model=metric, early_stopping_patience=patience,
        early_stopping_threshold=threshold,
    )  # fmt: skip
    ended = 0
    for _ in range(40):
        values = (torch.randint(1, 60, (12,), generator=generator) / 10).tolist()
        chooser = Chooser(trainer, None, tmp_path, Heard())
        found = None
        for place, value in enumerate(values):
            chooser._look(value, place, torch.nn.Linear(1, 1))
            if chooser.seen.stopped:
                found = place
                break
        assert found == stops_at(metric, values, patience, threshold)
        ended += found is not None
    assert ended > 10


def test_dev_pairs_that_are_in_the_test_set_have_no_say():
    tested = Pair("t", " ONE two  three"[:9], "x", "", "")
    dev = (*PAIRS[:3], Pair("d", "one two", "y", "", ""))
    corpus = Corpus("eng_Latn", "spa_Latn", PAIRS, dev, (tested,), 24, PAIRS, {})
    assert tested.source.split() == ["ONE", "two"]
    assert {pair.id for pair in without_test(corpus)} == {"0", "1", "2"}
    with pytest.raises(UserError, match="every dev pair is in the test set"):
        without_test(Corpus("eng_Latn", "spa_Latn", PAIRS, dev, dev, 24, PAIRS, {}))


def test_a_bounded_number_of_segments_is_taken_evenly():
    assert [pair.id for pair in spread(PAIRS, 4)] == ["0", "6", "12", "18"]
    assert spread(PAIRS, 99) == PAIRS
