"""Training on conversations: answers and their ends are learnt, and nothing else is trained."""

from __future__ import annotations

import pytest

from mtsweep.config import DecodingConfig, LoraConfig
from mtsweep.data.pairs import Corpus, Message, conversation
from mtsweep.errors import RunFailedError
from mtsweep.evaluation.generate import generate
from mtsweep.models.adapters import adapted
from mtsweep.training import examples, fit, preflight
from tests.small import small_base
from tests.training.test_fit import (
    Heard,
    Spoilt,
    double_the_bos,
    leave_alone,
    mask_the_end,
    train_on_the_prompt,
    trainer,
)

TURNS = {
    "Good morning.": ["Good evening to you.", "How are you?", "Very well."],
    "Where is the station?": ["Behind the church.", "And the <|end|> church?", "On the hill."],
    "I do not like rain.": ["Then stay at home."],
}
TALKS = tuple(
    conversation(
        f"talk:{number}",
        [
            Message("system", "Be short."),
            *(
                Message("assistant" if place % 2 else "user", text)
                for place, text in enumerate([first, *rest])
            ),
        ],
        "x",
    )
    for number, (first, rest) in enumerate(TURNS.items())
)
CORPUS = Corpus("eng_Latn", "eng_Latn", TALKS, TALKS[:1], TALKS[:1], 3, TALKS, {})


@pytest.mark.slow
def test_answers_at_every_turn_are_learnt_by_heart_with_their_ends(tmp_path):
    base = small_base("tiny_causal")
    codec = base.chat_codec()
    heard = Heard()
    settings = trainer(max_steps=100, learning_rate=5e-3, warmup_steps=5)
    fit(base.model, codec, CORPUS, settings, 1, tmp_path, heard)
    assert heard.losses[-1] < heard.losses[0] / 10
    histories = [
        each.messages[:place] for each in TALKS for place in range(2, len(each.messages), 2)
    ]
    wanted = [each.messages[place].content for each in TALKS
              for place in range(2, len(each.messages), 2)]  # fmt: skip
    said = generate(base.model, codec, histories, DecodingConfig(name="x"), limit=40)
    assert [each.text for each in said] == wanted
    assert all(each.stopped for each in said)


@pytest.mark.parametrize("four_bits", [False, True], ids=["lora", "qlora"])
def test_an_update_is_trained_on_conversations(four_bits, tmp_path):
    lora = LoraConfig(method="lora", r=2, load_in_4bit=four_bits)
    base = small_base("tiny_causal", lora)
    with adapted(base, lora, seed=1, trained=None) as model:
        fitted = fit(model, base.chat_codec(), CORPUS, trainer(), 1, tmp_path, Heard())
        moved = [bool(value.abs().sum() > 0)
                 for key, value in model.state_dict().items() if "lora_B" in key]  # fmt: skip
    assert fitted.steps == 3
    assert moved
    assert all(moved)


def test_a_conversation_that_is_too_long_is_left_out_and_counted(tmp_path):
    base = small_base("tiny_causal")
    codec = base.chat_codec()
    lengths = sorted(len(row.ids) for each in TALKS for row in codec.spoken(each.messages))
    settings = trainer(max_length=lengths[-1] - 1)
    assert fit(base.model, codec, CORPUS, settings, 1, tmp_path, Heard()).too_long == 1


def checked(spoil) -> str:
    codec = small_base("tiny_causal").chat_codec()
    rows = [examples.row(spoken) for each in TALKS for spoken in codec.spoken(each.messages)]
    return preflight.check_chat(list(TALKS), rows, Spoilt(spoil), codec)


def train_on_a_question(ids, labels):
    start = next(place for place, label in enumerate(labels) if label != examples.IGNORED)
    labels[start - 4] = ids[start - 4]


def mask_the_last_answer(ids, labels):
    while labels[-1] != examples.IGNORED:
        ids.pop()
        labels.pop()


@pytest.mark.parametrize(
    "spoil",
    [mask_the_end, train_on_the_prompt, double_the_bos, train_on_a_question, mask_the_last_answer],
)
def test_the_preflight_refuses_what_is_not_exactly_the_answers(spoil):
    with pytest.raises(RunFailedError, match="preflight: "):
        checked(spoil)


def test_the_preflight_tells_every_span_that_is_trained():
    told = checked(leave_alone)
    assert "3 conversations, 5 answers" in told
    assert "trained 'Good evening to you.<|end|>'" in told
    assert "trained 'Very well.<|end|>'" in told
    assert "  given   '<|start|>system" in told
    assert "Be short.<|end|>" in told
