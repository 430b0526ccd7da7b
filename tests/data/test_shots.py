"""Which training pairs a prompt shows, and which it must never show."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtsweep.config import DataConfig, PromptConfig
from mtsweep.data import load
from mtsweep.data.pairs import Corpus, Pair, fold
from mtsweep.data.shots import Shots, from_json, shots
from mtsweep.errors import UserError

EN_ES = ("eng_Latn", "spa_Latn")
EN_DE = ("eng_Latn", "deu_Latn")


def prompt(choice: str = "nearest", count: int = 2) -> PromptConfig:
    return PromptConfig(name="x", template="{text}", shots=count, choice=choice)  # type: ignore[arg-type]


def pair(source: str, target: str = "", languages: tuple[str, str] | None = None) -> Pair:
    return Pair(source, source, target or source.upper(), "x", fold(source), languages)


def corpus(train: list[Pair], test: list[Pair], dev: list[Pair] | None = None) -> Corpus:
    return Corpus(*EN_ES, tuple(train), tuple(dev or ()), tuple(test), len(train), (), {})


SHOWN = ("The dog sleeps.", "A red car.", "The cat sleeps.", "The cat eats.")
TRAIN = [pair(text) for text in SHOWN]


def of(made: Shots | None, text: str, languages: tuple[str, str] = EN_ES) -> list[str]:
    assert made
    return [each.source for each in made.of(text, languages)]


def test_fixed_examples_are_the_first_and_the_nearest_stand_last():
    fixed = shots(corpus(TRAIN, []), prompt("fixed"), None)
    assert of(fixed, "A cat sleeps.") == of(fixed, "Anything") == ["The dog sleeps.", "A red car."]
    near = shots(corpus(TRAIN, []), prompt(), None)
    assert of(near, "My cat sleeps here.")[-1] == "The cat sleeps."
    assert "A red car." not in of(near, "My cat sleeps here.")
    assert len(of(near, "ஆற்றின்")) == 2  # nothing in common: still two, and always the same


@pytest.mark.parametrize("choice", ["fixed", "nearest"])
def test_a_text_is_never_shown_its_own_pair(choice):
    twice = [*TRAIN, pair("the  DOG sleeps.", "otro")]
    made = shots(corpus(twice, []), prompt(choice, 9), None)
    assert of(made, "The dog sleeps.").count("The dog sleeps.") == 0
    assert "the  DOG sleeps." not in of(made, "The dog sleeps.")
    assert len(of(made, "The dog sleeps.")) == 3
    assert len(of(made, "Another.")) == 5


TEXTS = st.lists(st.text(string.ascii_letters + " ", min_size=1, max_size=12), max_size=12)


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS, TEXTS, st.sampled_from(["fixed", "nearest"]))
def test_nothing_that_is_held_out_is_ever_shown(train, dev, test, choice):
    parts = [[pair(text, text[::-1] + "!") for text in part] for part in (train, dev, test)]
    made = corpus(parts[0], parts[2], parts[1])
    held_out = {fold(each.source) for each in (*made.dev, *made.test)}
    targets = {fold(each.target) for each in (*made.dev, *made.test)}
    try:
        found = shots(made, prompt(choice, 3), None)
    except UserError:
        assert all(
            fold(each.source) in held_out or fold(each.target) in targets for each in made.train
        )
        return
    assert found
    for text in [*train, *dev, *test]:
        shown = found.of(text, EN_ES)
        assert len(shown) <= 3
        for each in shown:
            assert each in made.train
            assert fold(each.source) not in held_out | {fold(text)}
            assert fold(each.target) not in targets


def test_a_language_pair_is_shown_its_own_pairs_alone():
    german = [pair(each.source, "de " + each.target, EN_DE) for each in TRAIN]
    spanish = [pair(each.source, "es " + each.target, EN_ES) for each in TRAIN]
    for choice in ("fixed", "nearest"):
        made = shots(corpus([*spanish, *german], []), prompt(choice), None)
        assert made
        assert {each.target[:2] for each in made.of("A cat.", EN_DE)} == {"de"}
        assert {each.target[:2] for each in made.of("A cat.", EN_ES)} == {"es"}
        assert made.of("A cat.", ("fra_Latn", "deu_Latn")) == ()


def test_what_decides_the_examples_names_them_and_survives_its_file():
    made = [
        shots(corpus(TRAIN, []), prompt(choice, count), limit)
        for choice in ("fixed", "nearest")
        for count in (1, 2)
        for limit in (None, 64)
    ]
    made.append(shots(corpus(TRAIN[:3], []), prompt(), 64))
    assert len({each.digest for each in made if each}) == 9
    for each in made:
        assert each
        again = from_json(each.as_json())
        assert (again.pairs, again.digest) == (each.pairs, each.digest)
        assert again.of("The cat.", EN_ES) == each.of("The cat.", EN_ES)


def test_fixed_examples_are_the_same_for_every_size_and_the_nearest_are_not():
    data = DataConfig(name="x", source="phrasebook", source_lang="eng_Latn", target_lang="spa_Latn")
    sizes = [load(data.model_copy(update={"size": size})) for size in (100, 400)]
    for choice, count in (("fixed", 1), ("nearest", 2)):
        found = {made.digest for each in sizes if (made := shots(each, prompt(choice), 99))}
        assert len(found) == count


def test_the_nearest_of_a_real_corpus_have_words_in_common():
    data = DataConfig(name="x", source="phrasebook", source_lang="eng_Latn", target_lang="spa_Latn")
    whole = load(data)
    made = shots(whole, prompt("nearest", 1), None)
    assert made
    alike = 0
    for each in whole.test:
        (found,) = made.of(each.source, EN_ES)
        alike += bool(set(fold(found.source).split()) & set(fold(each.source).split()))
    assert alike > 0.9 * len(whole.test)
