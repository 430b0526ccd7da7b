"""What is told before a training that is likely to disappoint: the key and the figure, no error."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from mtsweep import advice
from mtsweep.config import TrainerConfig
from mtsweep.data.pairs import Corpus, Pair
from tests.overrides import composed, config
from tests.small import PROMPT, small_base

PAIRS = tuple(Pair(str(n), f"one {n}", f"uno {n}", "x", str(n)) for n in range(100))


def told(pairs: int = 100, **changes) -> list[str]:
    schedule = {} if "trainer" in changes else {
        "trainer.max_steps": 60, "trainer.per_device_train_batch_size": 8,
    }  # fmt: skip
    given = {**schedule, **{key.replace("__", "."): value for key, value in changes.items()}}
    corpus = Corpus("eng_Latn", "spa_Latn", PAIRS[:pairs], PAIRS[:2], PAIRS[:2], pairs, PAIRS, {})
    return advice.before(config({"model": "tiny_causal", **given}), corpus)


def test_a_sound_configuration_is_told_nothing():
    assert told() == []
    assert told(trainer="sft") == []


def test_a_warm_up_that_never_ends_is_told_with_the_rate_that_is_reached():
    [said] = told(trainer__max_steps=40, trainer__warmup_steps=50, trainer__learning_rate=2e-5)
    assert said == (
        "trainer.warmup_steps: 50 warm-up steps of 40 in all: the learning rate never reaches "
        "2e-05, but 1.56e-05 at most"
    )
    assert told(trainer__max_steps=40, trainer__warmup_steps=39) == []
    assert told(trainer__max_steps=40, trainer__warmup_steps=0.5) == []


def test_the_rate_that_is_said_to_be_reached_is_the_one_that_hf_reaches():
    import torch
    from transformers import get_linear_schedule_with_warmup

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-5)
    scheduler = get_linear_schedule_with_warmup(optimizer, 50, 40)
    rates = []
    for _ in range(40):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert max(rates) == pytest.approx(1.56e-5)


def test_steps_that_win_over_epochs_are_told_where_epochs_were_asked_for():
    [said] = told(trainer__max_steps=40, trainer__num_train_epochs=2)
    assert said.startswith("trainer.max_steps: 40 steps win over trainer.num_train_epochs=2: 3.1 e")
    assert told(trainer__max_steps=26, trainer__num_train_epochs=2) == []


def test_data_smaller_than_a_batch_are_told():
    [said] = told(20, trainer__gradient_accumulation_steps=8, trainer__max_steps=30)
    assert said == (
        "trainer.per_device_train_batch_size: 20 training pairs are fewer than a batch of 64: "
        "every step sees all of them, and 30 steps are 30 epochs"
    )


def test_many_passes_over_few_pairs_are_told():
    [said] = told(16)
    assert said == "trainer.max_steps: 60 steps pass 30 times over 16 pairs"


def test_what_changes_nothing_is_told():
    [rare] = told(evaluation__every=70)
    assert rare.startswith("evaluation.every: 70 steps are more than the 60 that are trained")
    [frozen] = told(model__freeze="embeddings")
    assert frozen.startswith("model.freeze: 'embeddings' changes nothing for an adapter")
    assert told(model__freeze="embeddings", lora="none") == []


@pytest.mark.parametrize(("batch", "accumulation", "pairs"), [(4, 1, 10), (4, 3, 50), (3, 2, 1)])
def test_steps_are_those_that_hf_takes(batch, accumulation, pairs, tmp_path):
    from mtsweep.training import fit
    from tests.training.test_fit import Heard

    trainer = TrainerConfig(
        learning_rate=1e-3, num_train_epochs=1.5, per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
    )  # fmt: skip
    base = small_base("tiny_causal")
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    some = PAIRS[:pairs]
    corpus = Corpus("eng_Latn", "spa_Latn", some, some[:1], some[:1], pairs, some, {})
    heard = Heard()
    fitted = fit(base.model, codec, corpus, trainer, 1, tmp_path, heard)
    assert fitted.steps == advice.steps(trainer, pairs)


class Spelled:
    """Spells every character with so many tokens."""

    def __init__(self, each: float) -> None:
        self.each = each

    def target_ids(self, text: str) -> list[int]:
        return [0] * (int(self.each * len(text.replace(" ", ""))) + 1)


def test_a_length_that_leaves_pairs_out_is_told_with_their_share():
    trainer = TrainerConfig(learning_rate=1e-3, max_length=13)
    [said] = advice.by_tokens(np.array([13] * 9 + [14]), trainer)
    assert said == (
        "trainer.max_length: 1 of 10 training pairs (10.0%) are longer than 13 tokens and are "
        "left out"
    )
    assert advice.by_tokens(np.array([13] * 10), trainer) == []


def test_what_a_length_bounds_is_both_sides_of_a_decoder_and_the_longer_one_else():
    from mtsweep.training import examples

    bounded = {}
    for name in ("tiny_causal", "tiny_seq2seq"):
        codec = small_base(name).codec(("eng_Latn", "spa_Latn"), PROMPT)
        both = [(len(codec.source_ids(pair.source)), len(codec.target_ids(pair.target)))
                for pair in PAIRS]  # fmt: skip
        bounded[name] = examples.measured(PAIRS, codec).tolist()
        assert bounded[name] == [sum(each) if name == "tiny_causal" else max(each) for each in both]
    assert bounded["tiny_causal"] != bounded["tiny_seq2seq"]


def test_a_language_in_bytes_is_told_with_tokens_a_word():
    pairs = [Pair("1", "water", "தண்ணீர் வேண்டும்", "", "")]
    [said] = advice.spelling(pairs, Spelled(2), "tam_Taml")
    assert said.startswith("data.target_lang: the tokenizer spells Tamil in bytes, 15.0 tokens a w")
    assert advice.spelling(pairs, Spelled(0.9), "tam_Taml") == []


def test_advice_before_a_run_needs_no_torch(tmp_path):
    program = (
        "import sys; from mtsweep import cli; sys.argv = ['mtsweep', 'plan', 'model=tiny_causal', "
        "'trainer.warmup_steps=999']; code = cli.main(); assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "advice trainer.warmup_steps: 999 warm-up steps of " in done.stdout, done.stderr
    assert "torch" not in done.stderr


def test_the_chat_study_is_told_of_its_warm_up():
    [job] = composed("-m", "experiment=llama3b_chat")
    corpus = Corpus("eng_Latn", "eng_Latn", PAIRS, PAIRS[:2], PAIRS[:2], 100, PAIRS, {})
    said = advice.before(job.config, corpus)
    assert any(each.startswith("trainer.warmup_steps: 50 warm-up steps of 40") for each in said)
