"""Answering conversations: what a model is given, whole answers, pieces of them, and stopping."""

from __future__ import annotations

import threading

import pytest

from mtsweep.config import DecodingConfig
from mtsweep.data.pairs import Message
from mtsweep.errors import UserError
from mtsweep.serve.chatter import Chatter, opened
from tests.overrides import config
from tests.small import small_base

TALK = [Message("system", "Be short."), Message("user", "Where is the station?")]


@pytest.fixture(scope="module")
def chatter() -> Chatter:
    base = small_base("tiny_causal")
    return Chatter(base, base.model, DecodingConfig(name="x", max_new_tokens=24))


def test_pieces_joined_are_the_whole_answer(chatter):
    pieces = list(chatter.stream(TALK))
    assert len(pieces) > 1
    assert "".join(pieces) == chatter.answer(TALK).text


def test_a_stop_ends_the_answer_and_its_thread(chatter):
    before = threading.active_count()
    stop = threading.Event()
    pieces = chatter.stream(TALK, stop)
    next(pieces)
    stop.set()
    assert len("".join(pieces)) < len(chatter.answer(TALK).text)
    assert threading.active_count() == before
    left = chatter.stream(TALK)
    next(left)
    left.close()
    assert threading.active_count() == before


def test_the_oldest_turns_go_where_a_history_is_too_long_and_the_system_message_stays(chatter):
    old = [Message("user", "word " * 300), Message("assistant", "Yes.")]
    fitted = chatter.fitted([TALK[0], *old, *old, TALK[1]])
    assert fitted.left_out == 2
    assert fitted.messages == (TALK[0], *old, TALK[1])
    with pytest.raises(UserError, match="too long for the model"):
        chatter.fitted([Message("user", "word " * 1200)])
    with pytest.raises(UserError, match="ends with a message of the user"):
        chatter.stream([*TALK, Message("assistant", "There.")])


def test_what_fails_in_the_thread_is_raised_where_the_pieces_are_read(chatter, monkeypatch):
    monkeypatch.setattr(chatter._model, "generate", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(chatter.stream(TALK))


def test_a_chatter_is_opened_like_the_run_and_an_encoder_decoder_is_refused():
    run = config({"model": "tiny_causal", "decoding.max_new_tokens": 4})
    with opened(run, None) as chatter:
        assert chatter.limit == 4
        assert isinstance(chatter.answer(TALK).text, str)
    with (
        pytest.raises(UserError, match="holds no conversations"),
        opened(config({"model": "tiny_seq2seq"}), None),
    ):
        pass
