import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtsweep import languages


def test_the_list_is_that_of_transformers_but_for_known_differences():
    # transformers repeats NLLB's vocabulary, which has sat_Beng for FLORES-200's sat_Olck.
    from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES

    theirs = set(FAIRSEQ_LANGUAGE_CODES)
    assert theirs - languages.FLORES_200 == {"sat_Beng"}
    assert languages.FLORES_200 - theirs == {"arb_Latn", "min_Arab", "sat_Olck"}


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("eng_Latn", "English"),
        ("spa_Latn", "Spanish"),
        ("deu_Latn", "German"),
        ("fra_Latn", "French"),
        ("tam_Taml", "Tamil"),
        ("zho_Hans", "Chinese (Simplified)"),
        ("zho_Hant", "Chinese (Traditional)"),
    ],
)
def test_a_language_is_called_by_its_english_name(code, name):
    assert languages.name(code) == name


def test_no_two_codes_share_a_name():
    names = [languages.name(code) for code in languages.FLORES_200]
    assert len(set(names)) == len(languages.FLORES_200) == 204
    assert all(name[0].isupper() for name in names)


@pytest.mark.parametrize(
    ("code", "iso"),
    [
        ("eng_Latn", "en"),
        ("spa_Latn", "es"),
        ("tam_Taml", "ta"),
        ("ast_Latn", "ast"),
        ("zho_Hans", "zh"),
        ("arb_Arab", "ar"),
        ("zsm_Latn", "ms"),
        ("lvs_Latn", "lv"),
    ],
)
def test_an_iso_code_is_the_shortest(code, iso):
    assert languages.iso(code) == iso


def test_every_code_is_good_and_has_an_iso_code():
    for code in languages.FLORES_200:
        assert languages.complaint(code) is None
        assert 2 <= len(languages.iso(code)) <= 3, code


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("eng", "eng_Latn"),
        ("en", "eng_Latn"),
        ("ENG_LATN", "eng_Latn"),
        ("eng-Latn", "eng_Latn"),
        ("English", "eng_Latn"),
        ("Spanish", "spa_Latn"),
        ("es", "spa_Latn"),
        ("de_DE", "deu_Latn"),
        ("pt-BR", "por_Latn"),
        ("zh", "zho_Hans"),
        ("tamil", "tam_Taml"),
        ("spa_Latin", "spa_Latn"),
    ],
)
def test_another_way_to_say_a_language_is_understood(given, meant):
    assert languages.complaint(given) == f"{given!r} is no FLORES-200 code; did you mean {meant}?"


@pytest.mark.parametrize("given", ["xx", "", "klingon", 3, None])
def test_where_nothing_can_be_guessed_a_code_is_shown(given):
    assert languages.complaint(given) == (
        f"{given!r} is no FLORES-200 code; a code looks like eng_Latn"
    )


@pytest.mark.parametrize(("value", "word"), [(False, "no"), (True, "yes")])
def test_a_yaml_boolean_is_explained(value, word):
    told = languages.complaint(value)
    assert told is not None
    assert f"YAML reads an unquoted {word} as {value}: quote it" in told


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30))
def test_any_text_that_is_no_code_gets_one_complaint_and_never_an_error(text):
    told = languages.complaint(text)
    assert (told is None) == (text in languages.FLORES_200)


@pytest.mark.parametrize("value", [["eng_Latn"], {"code": "eng_Latn"}, 1.5])
def test_a_value_that_is_no_text_gets_a_complaint_too(value):
    told = languages.complaint(value)
    assert told is not None
    assert "is no FLORES-200 code" in told
