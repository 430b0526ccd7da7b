"""Training through TRL and HF: what is learnt, what is looked at first, what is left behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
import torch

from mtsweep.config import DecodingConfig, LoraConfig, TrainerConfig
from mtsweep.data.pairs import Corpus, Pair
from mtsweep.errors import RunFailedError
from mtsweep.evaluation.generate import generate
from mtsweep.models.adapters import adapted
from mtsweep.training import compact, examples, fit, preflight
from tests.small import PROMPT, small_base

TEXTS = {
    "Good morning.": "Buenos días.",
    "Where is the station?": "¿Dónde está la estación?",
    "I do not like rain.": "No me gusta la lluvia.",
    "The soup is too hot to eat at the moment.": "La sopa está demasiado caliente.",
}
PAIRS = tuple(Pair(source, source, target, "x", source) for source, target in TEXTS.items())
CORPUS = Corpus("eng_Latn", "spa_Latn", PAIRS, PAIRS[:2], PAIRS[:2], 4, PAIRS, {})
KINDS = ["tiny_causal", "tiny_seq2seq"]


def trainer(**changes) -> TrainerConfig:
    values = {"learning_rate": 1e-2, "max_steps": 3, "per_device_train_batch_size": 4}
    return TrainerConfig.model_validate({**values, "logging_steps": 1, **changes})


class Heard:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.begun: list[tuple[int, int]] = []
        self.steps: list[int] = []
        self.losses: list[float] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def begin(self, done: int, total: int) -> None:
        self.begun.append((done, total))

    def step(self, done: int, figures: Mapping[str, float]) -> None:
        assert figures["tokens_per_second"] > 0
        self.steps.append(done)

    def looked(self, step: int, best: float) -> None:
        pass

    def metrics(self, step: int, metrics: dict[str, float]) -> None:
        if "loss" in metrics:
            self.losses.append(metrics["loss"])


@pytest.mark.parametrize("name", KINDS)
def test_every_weight_trained_on_four_pairs_learns_them_by_heart_and_stops(name, tmp_path):
    base = small_base(name)
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    heard = Heard()
    settings = trainer(max_steps=150, learning_rate=5e-3, warmup_steps=5)
    fit(base.model, codec, CORPUS, settings, 1, tmp_path, heard)
    assert heard.steps == list(range(1, 151))
    assert heard.losses[-1] < heard.losses[0] / 10
    said = generate(base.model, codec, list(TEXTS), DecodingConfig(name="x"), limit=60)
    assert [each.text for each in said] == list(TEXTS.values())
    assert all(each.stopped for each in said)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("four_bits", [False, True], ids=["lora", "qlora"])
def test_gradients_reach_the_first_layer_although_the_base_was_scored_before(
    name, four_bits, tmp_path
):
    lora = LoraConfig(method="lora", r=2, load_in_4bit=four_bits, lora_dropout=0.0)
    base = small_base(name, lora)
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    generate(base.model, codec, list(TEXTS), DecodingConfig(name="x"), limit=4)
    with adapted(base, lora, seed=1, trained=None) as model:
        fit(model, codec, CORPUS, trainer(), 1, tmp_path, Heard())
        moved = {
            key: bool(value.abs().sum() > 0)
            for key, value in model.state_dict().items()
            if "lora_B" in key
        }
    assert moved
    assert all(moved.values()), [key for key, value in moved.items() if not value]


@pytest.mark.parametrize("name", KINDS)
def test_a_4_bit_base_that_was_scored_learns_like_one_that_was_not(name, tmp_path):
    lora = LoraConfig(method="lora", r=2, load_in_4bit=True)
    learnt = []
    for scored in (False, True):
        base = small_base(name, lora)
        codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
        if scored:
            generate(base.model, codec, list(TEXTS), DecodingConfig(name="x"), limit=4)
        with adapted(base, lora, seed=1, trained=None) as model:
            fit(model, codec, CORPUS, trainer(), 1, tmp_path, Heard())
            learnt.append(
                {key: value.clone() for key, value in model.state_dict().items() if "lora" in key}
            )
    assert learnt[0]
    assert all(learnt[1][key].equal(value) for key, value in learnt[0].items())


@pytest.mark.parametrize("name", KINDS)
def test_the_same_seed_trains_the_same_adapter_on_a_base_used_before(name, tmp_path):
    lora = LoraConfig(method="lora", r=2)
    base = small_base(name)
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    trained = []
    for _ in range(2):
        with adapted(base, lora, seed=5, trained=None) as model:
            fit(model, codec, CORPUS, trainer(), 5, tmp_path, Heard())
            trained.append(
                {key: value.clone() for key, value in model.state_dict().items() if "lora" in key}
            )
    assert trained[0]
    assert all(trained[1][key].equal(value) for key, value in trained[0].items())


def test_a_head_computed_where_there_is_a_loss_gives_the_same_loss(tmp_path):
    from trl.trainer.utils import add_fused_lm_head

    base = small_base("tiny_causal")
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    rows, *_ = examples.causal(PAIRS[:1], codec, None)
    batch = {key: torch.tensor([rows[0][key]]) for key in ("input_ids", "labels")}
    add_fused_lm_head(base.model, outputs=("log_probs", "entropy", "is_top1"))
    whole = base.model(**batch, fused_lm_head=True)
    with compact.compact_head():
        part = base.model(**batch, fused_lm_head=True)
    assert part.loss.item() == pytest.approx(whole.loss.item(), abs=1e-6)
    assert torch.allclose(part.log_probs, whole.log_probs, atol=1e-5)
    plain = base.model(**batch).loss
    assert part.loss.item() == pytest.approx(plain.item(), abs=1e-5)


def test_a_pair_that_is_too_long_is_left_out_and_counted(tmp_path):
    base = small_base("tiny_causal")
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    lengths = sorted(
        len(codec.source_ids(pair.source)) + len(codec.target_ids(pair.target)) for pair in PAIRS
    )
    settings = trainer(max_length=lengths[-1] - 1)
    fitted = fit(base.model, codec, CORPUS, settings, 1, tmp_path, Heard())
    assert fitted.too_long == 1


def test_a_length_that_no_pair_keeps_is_refused_with_the_shortest(tmp_path):
    base = small_base("tiny_causal")
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    with pytest.raises(RunFailedError, match="every pair is longer than 3 tokens; the shortest"):
        fit(base.model, codec, CORPUS, trainer(max_length=3), 1, tmp_path, Heard())


def test_a_loss_that_is_not_finite_stops_the_run_with_the_step(tmp_path):
    base = small_base("tiny_causal")
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    with torch.no_grad():
        base.model.model.norm.weight.fill_(float("nan"))
    with pytest.raises(RunFailedError, match=r"not finite: \w+ is nan at step 1"):
        fit(base.model, codec, CORPUS, trainer(), 1, tmp_path, Heard())


class Spoilt:
    """A collator that spoils a batch, as a wrong setting would."""

    def __init__(self, spoil) -> None:
        self.spoil = spoil

    def __call__(self, rows):
        ids = [list(row["input_ids"]) for row in rows]
        labels = [list(row["labels"]) for row in rows]
        for index in range(len(rows)):
            self.spoil(ids[index], labels[index])
        return {
            "input_ids": [torch.tensor(each) for each in ids],
            "attention_mask": [torch.ones(len(each), dtype=torch.long) for each in ids],
            "labels": [torch.tensor(each) for each in labels],
        }


def mask_the_end(ids, labels):
    labels[-1] = examples.IGNORED


def train_on_the_prompt(ids, labels):
    labels[:] = ids


def double_the_bos(ids, labels):
    ids.insert(0, ids[0])
    labels.insert(0, examples.IGNORED)


def leave_alone(ids, labels):
    pass


@pytest.mark.parametrize("spoil", [mask_the_end, train_on_the_prompt, double_the_bos])
def test_the_preflight_refuses_a_batch_that_would_teach_the_wrong_thing(spoil):
    base = small_base("tiny_causal")
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    rows, *_ = examples.causal(PAIRS, codec, None)
    with pytest.raises(RunFailedError, match="preflight: the "):
        preflight.check(list(PAIRS), list(rows), Spoilt(spoil), codec)


def test_the_preflight_tells_what_is_given_and_what_is_trained():
    base = small_base("tiny_causal")
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    rows, *_ = examples.causal(PAIRS, codec, None)
    told = preflight.check(list(PAIRS), list(rows), Spoilt(leave_alone), codec)
    assert "given   'English: Good morning.\\nSpanish:'" in told
    assert "trained ' Buenos días.<|end|>'" in told


def test_autocast_alone_narrows_what_updates_are_given():
    from peft.tuners.tuners_utils import BaseTunerLayer

    base, layer = small_base("tiny_causal"), cast("Any", BaseTunerLayer)
    own, ids = layer._cast_input_dtype, torch.arange(5, 45).view(1, -1)
    copies: list[bool] = []

    def told() -> torch.Tensor:
        inner = layer._cast_input_dtype

        def counted(self, x, dtype):
            made = inner(self, x, dtype)
            copies.append(made is not x)
            return made

        layer._cast_input_dtype = counted
        try:
            return model(input_ids=ids, labels=ids).loss
        finally:
            layer._cast_input_dtype = inner

    base.model.to(torch.bfloat16)
    with adapted(base, LoraConfig(method="lora", r=2), 1, None) as model:
        with torch.autocast("cpu", torch.bfloat16):
            plain, copied = told(), any(copies)
            copies.clear()
            with compact.no_casts_behind_autocast():
                spared = told()
            assert copied
            assert not any(copies)
            assert torch.equal(plain, spared)
        with compact.no_casts_behind_autocast():
            assert torch.isfinite(told())
            assert any(copies), "without autocast an input has to be widened"
    assert layer._cast_input_dtype is own
