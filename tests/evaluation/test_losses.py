"""Losses on answers: what the model's own loss says, whatever the batch, with intervals."""

from __future__ import annotations

import math

import pytest
import torch

from mtsweep.config import LoraConfig
from mtsweep.data.pairs import Message, conversation
from mtsweep.errors import RunFailedError, UserError
from mtsweep.evaluation import losses, significance
from mtsweep.models.adapters import adapted
from mtsweep.training.examples import row
from tests.small import small_base

TALKS = [
    conversation(
        f"talk:{number}",
        [
            Message("user", "Where is it? " * (number % 5 + 1)),
            Message("assistant", "Behind the church. " * (number % 3 + 1)),
            Message("user", "Thank you."),
            Message("assistant", "Not at all."),
        ],
        "x",
    )
    for number in range(12)
]


@pytest.fixture(scope="module")
def base():
    return small_base("tiny_causal")


def own(model, codec, talk) -> tuple[float, int]:
    """Loss of a conversation by the model's own reckoning, and its tokens."""
    (spoken,) = codec.spoken(talk.messages)
    batch = {key: torch.tensor([value]) for key, value in row(spoken).items()}
    with torch.no_grad():
        return float(model(**batch).loss), spoken.tokens


def test_the_loss_of_a_conversation_is_the_model_s_own_in_any_batch(base, monkeypatch):
    codec, done = base.chat_codec(), []
    told = losses.read(base.model, codec, TALKS, done.append)
    for talk, reading in zip(TALKS, told, strict=True):
        mean, tokens = own(base.model, codec, talk)
        assert reading.tokens == tokens
        assert reading.loss / reading.tokens == pytest.approx(mean, abs=1e-5)
        assert 0 <= reading.correct <= tokens
    assert done[-1] == len(TALKS)
    monkeypatch.setattr(losses, "TOKENS_AT_ONCE", 1)
    alone = losses.read(base.model, codec, TALKS)
    assert [each.tokens for each in alone] == [each.tokens for each in told]
    assert [each.loss for each in alone] == pytest.approx([each.loss for each in told], rel=1e-5)


def test_an_update_is_seen(base):
    lora = LoraConfig(method="lora", r=2)
    with adapted(base, lora, seed=1, trained=None) as model:
        before = losses.read(model, base.chat_codec(), TALKS[:2])
        for name, each in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(each)
        after = losses.read(model, base.chat_codec(), TALKS[:2])
    assert all(abs(a.loss - b.loss) > 1e-3 for a, b in zip(before, after, strict=True))


def test_memory_that_runs_out_halves_the_batch(base, monkeypatch):
    whole, sizes = losses._losses, []

    def short(model, rows):
        sizes.append(len(rows))
        if len(rows) > 3:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return whole(model, rows)

    expected = losses.read(base.model, base.chat_codec(), TALKS)
    monkeypatch.setattr(losses, "_losses", short)
    told = losses.read(base.model, base.chat_codec(), TALKS)
    assert sizes[0] == 12
    assert sizes[1:3] == [6, 3]
    assert [each.tokens for each in told] == [each.tokens for each in expected]
    monkeypatch.setattr(losses, "_losses", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        losses.read(base.model, base.chat_codec(), TALKS)


def test_a_context_cuts_what_is_read_and_a_loss_that_is_lost_is_told(base, monkeypatch):
    codec = base.chat_codec()
    (spoken,) = codec.spoken(TALKS[0].messages)
    first = spoken.answers[0]
    monkeypatch.setattr(base.model.config, "max_position_embeddings", first[1])
    (cut,) = losses.read(base.model, codec, TALKS[:1])
    assert cut.tokens == first[1] - first[0]
    monkeypatch.setattr(base.model.config, "max_position_embeddings", first[0])
    nothing = losses.read(base.model, codec, TALKS[:1])
    with pytest.raises(RunFailedError, match="within the model's context"):
        losses.scores(nothing, codec)
    monkeypatch.undo()
    spoilt = small_base("tiny_causal")
    with torch.no_grad():
        spoilt.model.model.norm.weight.fill_(float("nan"))
    with pytest.raises(RunFailedError, match="not finite"):
        losses.read(spoilt.model, codec, TALKS[:1])


def test_scores_have_direction_interval_and_what_must_be_equal(base):
    codec = base.chat_codec()
    told = losses.scores(losses.read(base.model, codec, TALKS), codec)
    assert list(told) == ["eval_loss", "perplexity", "mean_token_accuracy"]
    assert [each.direction for each in told.values()] == ["lower", "lower", "higher"]
    assert told["perplexity"].value == pytest.approx(math.exp(told["eval_loss"].value))
    assert 0 <= told["mean_token_accuracy"].value <= 1
    for each in told.values():
        assert each.low is not None
        assert each.high is not None
        assert each.low <= each.value <= each.high
        assert each.segments == 12
        assert codec.print in each.signature


def test_what_is_kept_of_a_run_counts_to_the_same_scores(base, tmp_path):
    codec = base.chat_codec()
    readings = losses.read(base.model, codec, TALKS)
    losses.keep(tmp_path, "test", TALKS, readings)
    table = losses.of_run(tmp_path, "test")
    for name, score in losses.scores(readings, codec).items():
        assert significance.whole([table], name)[0] == score.value
    (tmp_path / "losses" / "test.jsonl").write_text('{"id": 1}\n', encoding="utf-8")
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="remove its folder to run it again"):
            losses.of_run(folder, "test")
