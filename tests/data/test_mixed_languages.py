"""Several language pairs in one mix: told apart, split alike, none giving away another."""

from __future__ import annotations

import json

import pytest

from mtsweep.config import DataConfig
from mtsweep.data import load
from mtsweep.data.pairs import fold
from tests.overrides import problems_of

EN_ES, EN_DE, DE_FR = (
    ("eng_Latn", "spa_Latn"), ("eng_Latn", "deu_Latn"), ("deu_Latn", "fra_Latn"),
)  # fmt: skip
MIX = (
    {"source": "phrasebook"},
    {"source": "phrasebook", "target_lang": "deu_Latn"},
    {"source": "phrasebook", "source_lang": "deu_Latn", "target_lang": "fra_Latn"},
)


def config(**changes) -> DataConfig:
    told = {"name": "mix", "source": "combined", "source_lang": "eng_Latn", "mix": MIX}
    told |= {"target_lang": "spa_Latn", "test_size": 20, "dev_size": 5}
    return DataConfig(**{**told, **changes})


def test_every_pair_says_its_languages_and_has_an_id_of_its_own():
    assert config().language_pairs == (EN_ES, EN_DE, DE_FR)
    corpus = load(config())
    whole = (*corpus.train, *corpus.dev, *corpus.test)
    assert {pair.languages for pair in whole} == {EN_ES, EN_DE, DE_FR}
    assert len({pair.id for pair in whole}) == len(whole)
    for part in (corpus.dev, corpus.test):
        counts = [sum(pair.languages == each for pair in part) for each in (EN_ES, EN_DE, DE_FR)]
        assert len(set(counts)) == 1
    assert {pair.languages for pair in load(config(size=60)).train} == {EN_ES, EN_DE, DE_FR}


def test_a_part_is_tested_like_its_pair_alone():
    corpus = load(config())
    for languages in (EN_ES, EN_DE, DE_FR):
        one, other = languages
        alone = load(config(source="phrasebook", source_lang=one, target_lang=other, mix=()))
        part = [pair for pair in corpus.test if pair.languages == languages]
        assert [(p.source, p.target) for p in alone.test] == [(p.source, p.target) for p in part]


def test_what_is_tested_in_one_language_pair_is_trained_on_in_none():
    corpus = load(config())
    held_out = {pair.split_key for pair in (*corpus.dev, *corpus.test)}
    texts = {fold(text) for pair in corpus.test for text in (pair.source, pair.target)}
    assert not held_out & {pair.split_key for pair in corpus.train}
    for pair in corpus.train:
        assert not {fold(pair.source), fold(pair.target)} & texts


def test_a_direction_does_not_give_away_the_other(tmp_path):
    path = tmp_path / "pairs.jsonl"
    rows = [{"source": f"number {n} in words", "target": f"en palabras {n}"} for n in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    there = {"source": "files", "train_file": str(path)}
    back = {"source_lang": "spa_Latn", "target_lang": "eng_Latn"}
    back |= {"source_column": "target", "target_column": "source"}
    corpus = load(config(mix=(there, {**there, **back}), test_size=10, leak_similarity=1))
    texts = {text for pair in corpus.test for text in (pair.source, pair.target)}
    assert len(corpus.test) == 20
    assert corpus.train
    assert not [pair for pair in corpus.train if {pair.source, pair.target} & texts]
    assert corpus.dropped["leak"] > 0


def test_languages_are_part_of_the_content_and_one_pair_alone_names_none():
    one = load(config(mix=(MIX[0],)))
    assert {pair.languages for pair in one.train} == {None}
    phrasebook = load(config(source="phrasebook", mix=()))
    assert one.fingerprint == phrasebook.fingerprint
    assert load(config()).fingerprint != load(config(mix=MIX[::-1])).test_fingerprint
    turned = load(config(mix=(MIX[1], MIX[2])))
    assert turned.fingerprint != one.fingerprint


@pytest.mark.parametrize(
    ("part", "key", "complaint"),
    [
        ({"target_lang": "eng_Latn"}, "data.mix", "translates eng_Latn into itself"),
        ({"target_lang": "deu"}, "data.mix", "did you mean deu_Latn?"),
    ],
)
def test_a_wrong_language_of_a_part_is_told(part, key, complaint):
    told = problems_of({"data": "combined", "data.mix": [{"source": "phrasebook", **part}]})
    assert [problem for problem in told if problem.key.startswith(key)], told
    assert any(complaint in problem.complaint for problem in told), told
