"""Conversations through chat templates: where answers begin and end, whatever the template."""

from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from mtsweep.data.pairs import Message
from mtsweep.errors import RunFailedError, UserError
from mtsweep.models.chat import ChatCodec
from tests.small import small_base

TALK = (
    Message("system", "You know about tea."),
    Message("user", "What is in it?"),
    Message("assistant", "Leaves, and <|im_end|> water."),
    Message("user", "Is <|end|> or <|eot_id|> in it?"),
    Message("assistant", "  No.\n\nNothing like it. "),
)
MODELS = ["tiny_causal", "unsloth/Llama-3.2-3B-Instruct", "Qwen/Qwen2-1.5B"]


@pytest.fixture(params=MODELS)
def codec(request, hub) -> ChatCodec:
    if request.param in hub:
        return ChatCodec(AutoTokenizer.from_pretrained(hub[request.param]))
    return ChatCodec(small_base(request.param).tokenizer)


@pytest.fixture
def tokenizer():
    """A tokenizer to put templates on."""
    return AutoTokenizer.from_pretrained(small_base("tiny_causal").tokenizer.name_or_path)


def answers(codec, row):
    return [row.ids[start:end] for start, end in row.answers]


def test_every_answer_is_found_whole_with_its_end_behind_what_generation_starts_from(codec):
    (row,) = codec.spoken(TALK)
    places = [place for place, turn in enumerate(TALK) if turn.role == "assistant"]
    assert len(row.answers) == 2
    for place, (start, end) in zip(places, row.answers, strict=True):
        assert list(row.ids[:start]) == codec.source_ids(TALK[:place])
        assert row.ids[end - 1] == codec.end
        assert codec.end not in row.ids[start : end - 1]
        assert codec.decode(row.ids[start:end]) == TALK[place].content.strip()
    assert row.ids[-1] == codec.end
    assert row.tokens == sum(map(len, answers(codec, row)))


def test_control_tokens_in_the_texts_stay_text(codec):
    harmless = [Message(turn.role, turn.content.replace("<|", "").replace("|>", ""))
                for turn in TALK]  # fmt: skip
    special = set(codec.tokenizer.added_tokens_decoder)
    counted = [sum(token in special for token in codec.spoken(turns)[0].ids)
               for turns in (TALK, harmless)]  # fmt: skip
    assert counted[0] == counted[1]


def test_the_end_is_the_one_that_the_template_writes_not_the_tokenizer_s_own(hub):
    codec = ChatCodec(AutoTokenizer.from_pretrained(hub["Qwen/Qwen2-1.5B"]))
    assert codec.tokenizer.convert_ids_to_tokens(codec.end) == "<|im_end|>"
    assert codec.end != codec.tokenizer.eos_token_id


def test_a_template_that_tells_the_date_tells_every_day_the_same(hub):
    codec = ChatCodec(AutoTokenizer.from_pretrained(hub["unsloth/Llama-3.2-3B-Instruct"]))
    assert "26 Jul 2024" in codec.tokenizer.decode(codec.source_ids(TALK[:2]))


def test_where_earlier_turns_are_written_otherwise_every_answer_is_a_row_of_its_own(tokenizer):
    tokenizer.chat_template = (
        "{% for message in messages %}<|start|>{{ message.role }}\n"
        "{{ message.content if loop.last or message.role != 'assistant' else '(said)' }}<|end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
    )
    codec = ChatCodec(tokenizer)
    rows = codec.spoken(TALK)
    assert [len(row.answers) for row in rows] == [1, 1]
    for row, place in zip(rows, (2, 4), strict=True):
        (start, end) = row.answers[0]
        assert list(row.ids[:start]) == codec.source_ids(TALK[:place])
        assert codec.decode(row.ids[start:end]) == TALK[place].content.strip()
        assert row.ids[-1] == codec.end == tokenizer.eos_token_id


def test_a_template_without_an_end_gets_the_tokenizer_s(tokenizer):
    tokenizer.chat_template = (
        "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    codec = ChatCodec(tokenizer)
    assert [row.ids[-1] for row in codec.spoken(TALK)] == [tokenizer.eos_token_id] * 2


def test_a_template_without_a_system_turn_gets_the_context_with_the_first_question(tokenizer):
    tokenizer.chat_template = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        + str(tokenizer.chat_template)
    )
    codec = ChatCodec(tokenizer)
    assert "You know about tea.\n\nWhat is in it?" in tokenizer.decode(codec.spoken(TALK)[0].ids)
    tokenizer.chat_template = "{{ raise_exception('closed') }}"
    with pytest.raises(RunFailedError, match="refuses a conversation"):
        ChatCodec(tokenizer)


def test_a_model_without_a_chat_template_is_refused_with_the_remedy(hub):
    with pytest.raises(UserError, match="no chat template, which conversations need"):
        ChatCodec(AutoTokenizer.from_pretrained(hub["meta-llama/Llama-3.2-1B"]))
