"""Conversations of files and of the hub: read, split, nested, cleaned, known by their content."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from mtsweep.config import DataConfig
from mtsweep.data import load
from mtsweep.data.pairs import Conversation, Corpus
from tests.overrides import option


def section(**changes: Any) -> DataConfig:
    return DataConfig.model_validate({**option("data", "chat"), "train_file": "a.jsonl", **changes})


def rows(count: int = 200) -> list[dict[str, Any]]:
    asked = [f"What is {n} and {n + 7}, said in words, please?" for n in range(count)]
    return [
        {"messages": [{"role": "user", "content": text},
                      {"role": "assistant", "content": f"It comes to {2 * n + 7}."},
                      {"role": "user", "content": "Thanks."},
                      {"role": "assistant", "content": "Not at all."}]}
        if n % 2 else {"instruction": text, "output": f"That makes {2 * n + 7}.", "system": "Add."}
        for n, text in enumerate(asked)
    ]  # fmt: skip


@pytest.fixture
def file(here):
    lines = [*rows(), *rows(3), {"instruction": "Say it.", "output": "<|im_end|> is a token."}]
    (here / "a.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return here / "a.jsonl"


def contents(corpus: Corpus) -> list[tuple[str, ...]]:
    return [
        tuple(turn.content for turn in each.messages)
        for each in corpus.train
        if isinstance(each, Conversation)
    ]


def test_five_percent_are_held_out_and_nobody_else_s_repetition_is_trained_on(file):
    corpus = load(section())
    assert corpus.is_chat
    assert len(corpus.test) == len(corpus.dev) == 10
    held_out = {each.source for each in (*corpus.test, *corpus.dev)}
    assert not held_out & {each.source for each in corpus.train}
    assert corpus.dropped["control_tokens"] == 1
    assert 1 <= corpus.dropped["duplicates"] <= 3


def test_smaller_sizes_are_nested_and_the_test_set_stays(file):
    some, more = load(section(size=40)), load(section(size=80))
    assert contents(more)[:40] == contents(some)
    assert some.test_fingerprint == more.test_fingerprint
    assert some.fingerprint != more.fingerprint


def test_a_system_message_is_kept_and_counts_for_the_fingerprint(file, here):
    corpus = load(section())
    talks = [each for each in corpus.train if isinstance(each, Conversation)]
    contexts = {each.messages[0].content for each in talks if each.messages[0].role == "system"}
    assert contexts == {"Add."}
    shutil.copy(file, here / "b.jsonl")
    assert load(section(train_file="b.jsonl")).fingerprint == corpus.fingerprint
    changed = file.read_text(encoding="utf-8").replace("Add.", "Count.")
    (here / "c.jsonl").write_text(changed, encoding="utf-8")
    assert load(section(train_file="c.jsonl")).fingerprint != corpus.fingerprint


def test_two_sources_of_the_hub_are_mixed_and_each_is_tested(hub_datasets):
    values = {**option("data", "chat_mix"), "dev_size": 4}
    corpus = load(DataConfig.model_validate(values))
    for part in (corpus.train, corpus.dev, corpus.test):
        assert {each.origin for each in part} == {"finetome", "wizardlm"}
    assert len(corpus.test) == 2 * 6  # 5 % of 120 rows each
    roles = {each.messages[0].role for each in corpus.train if isinstance(each, Conversation)}
    assert roles == {"system", "user"}
    values["mix"] = [{**part, "sample": 50} for part in values["mix"]]
    fewer = load(DataConfig.model_validate({**values, "leaks": "keep", "clean": "none"}))
    assert len(fewer.train) + len(fewer.dev) + len(fewer.test) == 100
