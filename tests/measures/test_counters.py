"""ROUGE-L, METEOR, and BLEU's words in scripts of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtsweep.errors import UserError
from mtsweep.evaluation.metrics import score
from mtsweep.measures import check, counter, identity, refusal, wordnet
from mtsweep.measures.tokens import words
from tests.overrides import config

TAMIL = ["வணக்கம் நண்பரே", "எங்கே வலிக்கிறது?"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("¿Dónde está, Ana?", ["dónde", "está", "ana"]),
        ("எங்கே வலிக்கிறது?", ["எங்கே", "வலிக்கிறது"]),
        ("दर्द कहाँ है।", ["दर्द", "कहाँ", "है"]),
        ("今天3点 OK", ["今", "天", "3", "点", "ok"]),
        ("", []),
    ],
)
def test_words_are_letters_with_their_marks_in_any_script(text, wanted):
    assert words(text) == wanted


def test_identical_tamil_texts_have_full_rouge():
    scores = score(TAMIL, TAMIL, "tam_Taml", ["rouge"])
    assert scores["rouge"].value == pytest.approx(100)
    assert "tok:unicode-words" in scores["rouge"].signature


def test_rouge_is_f1_of_the_longest_common_subsequence():
    counted = counter("rouge", "eng_Latn").statistics(["a b x c"], ["a y b c d"])
    # 3 of 4 words said and 3 of 5 wanted are in a, b, c
    assert counted[0].tolist() == pytest.approx([2 * 0.75 * 0.6 / 1.35, 1.0])


@given(st.lists(st.tuples(*[st.text("ab அ ", max_size=12)] * 2), min_size=1, max_size=5))
def test_the_mean_over_segments_is_between_their_least_and_most(pairs):
    said, wanted = zip(*pairs, strict=True)
    each = counter("rouge", "tam_Taml").statistics(said, wanted)[:, 0] * 100
    value = score(said, wanted, "tam_Taml", ["rouge"])["rouge"].value
    assert each.min() - 1e-9 <= value <= each.max() + 1e-9


def test_bleu_of_japanese_and_korean_is_counted_over_their_words():
    pytest.importorskip("MeCab")
    pytest.importorskip("mecab_ko")
    for tokenizer, language, text in (
        ("ja", "jpn_Jpan", "今日はとても良い天気です"),
        ("ko", "kor_Hang", "오늘은 날씨가 아주 좋습니다"),
    ):
        made = score([text], [text], language, ["bleu"])["bleu"]
        assert made.value == pytest.approx(100)
        assert f"tok:{tokenizer}-mecab" in made.signature


def test_words_that_cannot_be_found_are_refused_with_the_extra(monkeypatch):
    monkeypatch.setattr("mtsweep.measures.tokens.find_spec", lambda name: None)
    assert "pip install 'mtsweep[ja]'" in str(refusal("bleu", "jpn_Jpan"))
    assert "pip install 'mtsweep[ko]'" in str(refusal("bleu", "kor_Hang"))
    assert refusal("bleu", "jpn_Jpan", "char") is None
    assert refusal("chrf", "jpn_Jpan") is None


def test_scripts_without_spaces_need_the_pieces_of_flores(monkeypatch, tmp_path):
    monkeypatch.setenv("SACREBLEU", str(tmp_path))
    assert "flores200sacrebleuspm" in str(refusal("bleu", "tha_Thai"))
    (tmp_path / "models").mkdir()
    (tmp_path / "models/flores200sacrebleuspm").write_bytes(b"a model")
    assert refusal("bleu", "tha_Thai") is None


@pytest.mark.parametrize(
    ("changes", "language", "wanted"),
    [
        ({}, "spa_Latn", {}),
        ({}, "zho_Hans", {}),
        ({}, "kor_Hang", {"bleu_tokenizer": ["ko-mecab"]}),
        ({"evaluation.bleu_tokenizer": "char"}, "spa_Latn", {"bleu_tokenizer": ["char"]}),
        ({"evaluation.bleu_tokenizer": "char", "evaluation.metrics": ["chrf"]}, "spa_Latn", {}),
    ],
)
def test_a_tokenizer_counts_for_the_id_where_it_is_another_than_it_was(changes, language, wanted):
    assert identity(config(changes).evaluation, [language]) == wanted


def test_a_metric_that_cannot_be_counted_is_refused_by_its_key():
    asked = config({"evaluation.metrics": ["chrf", "meteor"]}).evaluation
    with pytest.raises(UserError, match=r"evaluation\.metrics: METEOR .* target is Spanish"):
        check(asked, ["spa_Latn"])


LICENCE = "  1 This is a test of the form of WordNet 3.0, and no part of it.  \n"


@pytest.fixture
def synonyms(tmp_path, monkeypatch):
    """A WordNet of one set of synonyms: hurt and pain."""
    for kind in ("noun", "verb", "adj", "adv"):
        (tmp_path / f"data.{kind}").write_text(LICENCE)
        (tmp_path / f"index.{kind}").write_text(LICENCE)
        (tmp_path / f"{kind}.exc").write_text("")
    offset = f"{len(LICENCE):08}"
    synset = f"{offset} 26 n 02 pain 0 hurt 0 000 | what hurts  \n"
    (tmp_path / "data.noun").write_text(LICENCE + synset)
    index = [f"{word} n 1 0 1 0 {offset}  \n" for word in ("hurt", "pain")]
    (tmp_path / "index.noun").write_text(LICENCE + "".join(index))
    monkeypatch.setenv("WNSEARCHDIR", str(tmp_path))
    wordnet.reader.cache_clear()
    yield tmp_path
    for file in wordnet.reader()._data_file_map.values():
        file.close()
    wordnet.reader.cache_clear()


def test_meteor_counts_synonyms_and_stems(synonyms):
    assert refusal("meteor", "eng_Latn") is None
    wanted = ["the pain started yesterday"]
    synonym = score(["the hurt started yesterday"], wanted, "eng_Latn", ["meteor"])["meteor"]
    stem = score(["the pains started yesterday"], wanted, "eng_Latn", ["meteor"])["meteor"]
    other = score(["the dog started yesterday"], wanted, "eng_Latn", ["meteor"])["meteor"]
    # All four words match, in one piece: 1 - 0.5 * (1 / 4)**3
    assert synonym.value == pytest.approx(100 * (1 - 0.5 / 64))
    assert stem.value == pytest.approx(synonym.value)
    assert other.value < 75
    assert "wordnet:3.0" in synonym.signature


def test_meteor_without_wordnet_is_refused_with_three_remedies(tmp_path, monkeypatch):
    monkeypatch.setenv("WNSEARCHDIR", str(tmp_path))
    monkeypatch.setattr(wordnet, "_of_nltk", lambda: None)
    monkeypatch.setattr(wordnet, "_DEBIAN", Path(tmp_path / "none"))
    told = str(refusal("meteor", "eng_Latn"))
    assert all(word in told for word in ("nltk.downloader wordnet", "$WNSEARCHDIR", "wordnet-base"))


@pytest.mark.parametrize("name", ["rouge", "meteor"])
def test_metrics_of_an_extra_name_it(monkeypatch, name):
    monkeypatch.setattr("mtsweep.measures.counters.find_spec", lambda package: None)
    assert "pip install 'mtsweep[metrics]'" in str(refusal(name, "eng_Latn"))
