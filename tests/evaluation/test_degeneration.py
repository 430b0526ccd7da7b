"""Signs in outputs, each seen where it is and only there."""

from __future__ import annotations

import pytest

from mtsweep.config import PromptConfig
from mtsweep.data.phrases import phrases
from mtsweep.evaluation.degeneration import (
    Segment,
    degeneration,
    is_in_another_language,
    signs,
    words_of,
)
from mtsweep.evaluation.generate import Hypothesis

SOURCE, REFERENCE = "The train leaves at nine.", "El tren sale a las nueve."
BRIEF = PromptConfig(name="brief", template="{source}: {text}\n{target}:")
WORDS = words_of(BRIEF, "eng_Latn", "spa_Latn")


def segment(said: str, *, stopped: bool = True, reference: str = REFERENCE) -> Segment:
    return Segment(SOURCE, reference, Hypothesis(said, stopped, 5), "spa_Latn")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (REFERENCE, []),
        ("", []),
        ("El tren sale a las nueve.\nSale de Madrid.", ["text after"]),
        ("El tren sale a las nueve. English: The bus leaves.", ["text after", "wrong language"]),
        ("El tren sale a las nueve. The bus to the station is always late.", ["text after"]),
        ("El tren sale El tren sale El tren sale a las", ["repeats"]),
        ("the train  leaves at nine", ["copied", "wrong language"]),
        ("Der Zug fährt um neun Uhr ab.", ["wrong language"]),
    ],
)
def test_a_sign_is_told_where_it_is(said, told):
    found = signs(segment(said), WORDS)
    # Of a text in two languages, either may weigh more.
    assert set(found) - {"wrong language"} == set(told) - {"wrong language"}
    if told in ([], ["wrong language"], ["copied", "wrong language"]):
        assert found == told


def test_what_the_reference_does_is_no_sign():
    assert signs(segment("Uno\nDos", reference="Uno\nTres"), WORDS) == []
    assert signs(segment(SOURCE, reference=SOURCE)) == ["wrong language"]


def test_the_prompts_words_are_those_around_the_text():
    assert WORDS == ("English:", "Spanish:")
    plain = PromptConfig(name="x", template="Say this in {target}: {text}!")
    assert words_of(plain, "eng_Latn", "tam_Taml") == ("Say this in Tamil:", "!")


def test_shares_are_counted_as_by_hand():
    told = degeneration(
        [
            # 7 grams, 4 distinct
            segment("a b c d a b c d a b", stopped=False, reference="1234567890"),
            segment("uno dos tres", reference="1234567890"),
            segment(SOURCE, reference=REFERENCE),
            segment(f"{REFERENCE}\nY más.", reference="1234567890"),
        ]
    )
    assert told.stopped == 0.75
    assert told.repeated_4grams == pytest.approx(3 / (7 + 0 + 2 + 5))
    assert told.length_ratio == pytest.approx((19 + 12 + 25 + 32) / (10 + 10 + 25 + 10))
    assert (told.text_after, told.copied, told.wrong_language) == (0.25, 0.25, 0.25)


def test_the_language_of_a_target_that_nobody_can_tell_is_not_judged():
    said = Segment("x", "y", Hypothesis("The train leaves at nine.", stopped=True, tokens=5),
                   "kmb_Latn")  # fmt: skip
    assert degeneration([said]).wrong_language is None


@pytest.mark.parametrize("code", ["eng_Latn", "spa_Latn", "deu_Latn", "fra_Latn", "tam_Taml"])
def test_languages_are_told_apart_on_the_phrasebook(code):
    rows = [row for domain in phrases().values() for row in domain][::7]
    others = [other for other in rows[0] if other not in {"id", code}]
    wrong = sum(is_in_another_language(row[code], code) for row in rows)
    missed = sum(not is_in_another_language(row[o], code) for row in rows for o in others)
    assert wrong / len(rows) <= 0.005
    assert missed / (len(rows) * len(others)) < 0.02
