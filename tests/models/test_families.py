import pytest

from mtsweep import languages
from mtsweep.models import families


@pytest.mark.parametrize(
    ("model_type", "tokenizer", "family"),
    [
        ("llama", "PreTrainedTokenizerFast", "causal"),
        ("qwen2", "Qwen2Tokenizer", "causal"),
        ("gemma3", "", "causal"),
        ("m2m_100", "NllbTokenizer", "nllb"),
        ("m2m_100", "NllbTokenizerFast", "nllb"),
        ("m2m_100", "M2M100Tokenizer", "m2m100"),
        ("mbart", "MBart50TokenizerFast", "mbart50"),
        ("mbart", "MBartTokenizer", "seq2seq"),
        ("marian", "MarianTokenizer", "marian"),
        ("t5", "T5Tokenizer", "t5"),
        ("mt5", "T5Tokenizer", "t5"),
        ("umt5", "", "t5"),
        ("bart", "BartTokenizer", "seq2seq"),
        ("pegasus", "PegasusTokenizer", "seq2seq"),
        ("", "", "causal"),
    ],
)
def test_a_family_is_recognised_from_the_models_own_files(model_type, tokenizer, family):
    told = families.recognise({"model_type": model_type}, {"tokenizer_class": tokenizer})
    assert told == family
    assert family in families.FAMILIES


def test_an_unknown_encoder_decoder_is_one():
    assert families.recognise({"model_type": "new", "is_encoder_decoder": True}, {}) == "seq2seq"


@pytest.mark.parametrize(
    ("family", "english", "spanish", "tamil"),
    [
        ("causal", "eng_Latn", "spa_Latn", "tam_Taml"),
        ("nllb", "eng_Latn", "spa_Latn", "tam_Taml"),
        ("m2m100", "en", "es", "ta"),
        ("mbart50", "en_XX", "es_XX", "ta_IN"),
        ("marian", "eng", "spa", "tam"),
        ("t5", "English", "Spanish", "Tamil"),
    ],
)
def test_a_language_is_written_as_the_family_writes_it(family, english, spanish, tamil):
    codes = ("eng_Latn", "spa_Latn", "tam_Taml")
    assert [families.language_code(family, code) for code in codes] == [english, spanish, tamil]


def written(family: families.Family) -> set[str]:
    told = (families.language_code(family, code) for code in languages.FLORES_200)
    return {code for code in told if code is not None}


def test_the_codes_of_mbart50_are_those_of_transformers():
    from transformers.models.mbart50.tokenization_mbart50 import FAIRSEQ_LANGUAGE_CODES

    assert written("mbart50") == set(FAIRSEQ_LANGUAGE_CODES)
    assert set(families._MBART50) <= languages.FLORES_200


def test_the_codes_of_m2m100_are_among_those_of_transformers():
    from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

    assert sorted(written("m2m100") - set(FAIRSEQ_LANGUAGE_CODES["m2m100"])) == []


@pytest.mark.parametrize(("code", "theirs"), [("nob_Latn", "no"), ("tgl_Latn", "tl")])
def test_m2m100_is_told_languages_in_its_own_codes(code, theirs):
    assert families.language_code("m2m100", code) == theirs


def test_a_language_that_mbart50_does_not_know_has_no_code():
    assert families.language_code("mbart50", "ace_Latn") is None


@pytest.mark.parametrize("family", families.FAMILIES)
def test_the_banner_has_a_phrase_for_every_family(family):
    told = families.describe(family, "eng_Latn", "spa_Latn")
    assert told
    assert "None" not in told
    if family in {"nllb", "m2m100", "mbart50", "marian", "t5"}:
        assert str(families.language_code(family, "spa_Latn")) in told


def test_a_model_is_asked_for_the_languages_that_it_knows():
    own = "eng_Latn", "spa_Latn"
    everything = families.known("causal", (), own)
    assert everything[0][:2] == own
    assert everything[1][:2] == own[::-1]
    assert {len(each) for each in everything} == {len(languages.FLORES_200)}
    some = families.known("nllb", {"eng_Latn", "spa_Latn", "tam_Taml", "Tamil"}, own)
    assert some == (("eng_Latn", "spa_Latn", "tam_Taml"), ("spa_Latn", "eng_Latn", "tam_Taml"))
    assert families.known("m2m100", {"__ta__", "ta"}, own)[0] == (
        "eng_Latn",
        "spa_Latn",
        "tam_Taml",
    )
    assert families.known("marian", {">>deu<<", "deu"}, own) == (own[:1], ("spa_Latn", "deu_Latn"))
    assert families.known("marian", (), own) == (own[:1], own[1:])
