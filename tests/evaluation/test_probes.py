from mtsweep.data.phrases import phrases
from mtsweep.evaluation.degeneration import is_in_another_language
from mtsweep.evaluation.probes import QUESTIONS, questions


def test_the_questions_are_the_same_in_every_language_and_in_no_training_set():
    assert len({len(asked) for asked in QUESTIONS.values()}) == 1
    known = {text for rows in phrases().values() for row in rows for text in row.values()}
    for code, asked in QUESTIONS.items():
        assert not known & set(asked)
        assert not any(is_in_another_language(text, code) for text in asked)


def test_questions_come_with_their_translations_or_are_ones_own():
    assert questions(None, "eng_Latn", "spa_Latn")[0][1].startswith("Se me cayó")
    assert questions(None, "eng_Latn", "ita_Latn")[0][1] == ""
    assert questions(None, "ita_Latn", "eng_Latn") == []
    assert questions(("Hello?",), "ita_Latn", "eng_Latn") == [("Hello?", "")]
    assert questions((), "eng_Latn", "spa_Latn") == []
