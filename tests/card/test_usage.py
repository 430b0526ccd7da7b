"""The lines of a card that load and ask a model."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mtsweep.card.subject import Subject
from mtsweep.card.usage import code
from mtsweep.data.pairs import Pair
from mtsweep.data.prompts import render
from mtsweep.data.shots import Shots
from mtsweep.record import RunFolder
from tests.overrides import config
from tests.records import record

PAIRS = ("eng_Latn", "spa_Latn")


def subject(tmp_path, family: Any = "causal", changes=None, shots=None) -> Subject:
    made = config(changes or {})
    told = record(config=made.model_dump(mode="json"))
    return Subject(RunFolder(tmp_path / "runs" / told.id), told, made, family, None, shots, ())


def calls(text: str, name: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name
    ]


def asked(text: str, about: str) -> str:
    """The first argument of the call of the tokenizer, worked out."""
    (call,) = calls(text, "tokenizer")
    return eval(ast.unparse(call.args[0]), {"text": about})  # noqa: S307


@pytest.mark.parametrize("prompt", ["brief", "translate"])
def test_a_prompt_is_what_the_run_asked(tmp_path, prompt):
    told = subject(tmp_path, changes={"prompt": prompt})
    text = 'A "text" with {braces} and \\n'
    assert asked(code(told, "o/n", "merged"), text) == render(told.config.prompt, *PAIRS, text)
    hostile = {"prompt.template": "```\n{text}"}
    odd = code(subject(tmp_path, changes=hostile), "o/n", "merged")
    assert "```" not in odd
    assert asked(odd, "a") == "```\na"


def test_examples_stand_before_the_text_where_they_may_be_published(tmp_path):
    pairs = tuple(Pair(str(n), f"one `{n}`", f"uno {n}", "x", str(n)) for n in range(4))
    shots = Shots(pairs, PAIRS, 2, "fixed", None)
    told = subject(tmp_path, changes={"prompt": "few_shot", "prompt.shots": 2}, shots=shots)
    text = code(told, "o/n", "merged")
    assert asked(text, "three").startswith("English: one `0`\nSpanish: uno 0\n\nEnglish: one `1`")
    assert asked(text, "three").endswith("\n\nEnglish: three\nSpanish:")
    assert text.count("`") == 0
    assert '.partition("\\n")[0]' in text
    without = code(told, "o/n", "merged", with_texts=False)
    assert asked(without, "three") == "English: three\nSpanish:"
    nearest = replace(told, shots=replace(shots, choice="nearest"))
    assert code(nearest, "o/n", "merged") == without


def test_conversations_and_chat_prompts_go_through_the_template(tmp_path):
    chat = {"data": "chat", "data.train_file": "c.jsonl"}
    text = code(subject(tmp_path, changes=chat), "o/n", "merged")
    (call,) = calls(text, "tokenizer.apply_chat_template")
    assert ast.unparse(call.args[0]) == "[{'role': 'user', 'content': text}]"
    hub = {"prompt": "chat", "model": "llama"}
    text = code(subject(tmp_path, changes=hub), "o/n", "peft")
    (call,) = calls(text, "tokenizer.apply_chat_template")
    (turn,) = eval(ast.unparse(call.args[0]), {"text": "Hi"})  # noqa: S307
    assert turn["content"] == "Translate the following text from English to Spanish:\nHi"
    assert "date_string" in {keyword.arg for keyword in call.keywords}


@pytest.mark.parametrize(
    ("family", "source", "first"),
    [
        ("nllb", "eng_Latn", "spa_Latn"),
        ("m2m100", "en", "__es__"),
        ("mbart50", "en_XX", "es_XX"),
    ],
)
def test_models_of_many_languages_are_told_both(tmp_path, family, source, first):
    text = code(subject(tmp_path, family, {"model": "nllb"}), "o/n", "peft")
    assert "from peft import AutoPeftModelForSeq2SeqLM\n" in text
    assert f'src_lang="{source}"' in text
    assert f'forced_bos_token_id=tokenizer.convert_tokens_to_ids("{first}")' in text
    assert asked(text, "Hello") == "Hello"


def test_other_families_are_told_in_the_text_or_not_at_all(tmp_path):
    (tmp_path / "vocab.json").write_text(json.dumps({">>spa<<": 1}), encoding="utf-8")
    folder = {"model": "seq2seq", "model.name": str(tmp_path)}
    for family, before in (("t5", "translate English to Spanish: "), ("marian", ">>spa<< "),
                           ("seq2seq", "")):  # fmt: skip
        text = code(subject(tmp_path, family, folder), "o/n", "merged")
        assert asked(text, "Hello") == f"{before}Hello"
        assert "forced_bos" not in text
    (tmp_path / "vocab.json").write_text("{}", encoding="utf-8")
    assert asked(code(subject(tmp_path, "marian", folder), "o/n", "merged"), "Hello") == "Hello"


def test_a_base_in_four_bits_is_loaded_in_four_bits(tmp_path):
    told = subject(tmp_path, changes={"model": "llama", "lora": "qlora"})
    text = code(told, "o/n", "peft")
    (call,) = calls(text, "BitsAndBytesConfig")
    given = SimpleNamespace(**{k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg})
    assert (given.load_in_4bit, given.bnb_4bit_quant_type) == (True, "nf4")
    assert "BitsAndBytesConfig" not in code(told, "o/n", "merged")


def test_five_lines_are_enough(tmp_path):
    lines = code(subject(tmp_path), "o/n", "merged").split("\n")
    begun = next(place for place, line in enumerate(lines) if line.startswith("tokenizer ="))
    assert len(lines) - begun == 5
