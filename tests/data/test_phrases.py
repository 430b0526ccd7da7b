import re
from collections import Counter

import pytest

from mtsweep.config import DataConfig
from mtsweep.data.phrases import phrases, read_phrasebook
from mtsweep.errors import UserError
from tests.overrides import CONF

DOMAINS = (
    "dental", "food", "health", "home", "legal", "school", "support", "travel", "weather", "work"
)  # fmt: skip
LANGUAGES = ("eng_Latn", "spa_Latn", "deu_Latn", "fra_Latn", "tam_Taml")


def rows() -> list[dict[str, str]]:
    return [row for domain in phrases().values() for row in domain]


def ids_where(wrong) -> list[str]:
    return [row["id"] for row in rows() if wrong(row)]


def asked(**changes) -> DataConfig:
    told = {"name": "phrasebook", "source": "phrasebook", "source_lang": "eng_Latn"}
    return DataConfig(**{**told, "target_lang": "spa_Latn", **changes})


def test_the_phrasebook_has_its_ten_domains():
    assert tuple(phrases()) == DOMAINS


def test_the_phrasebook_has_as_many_rows_as_its_option_says():
    told = (CONF / "data" / "phrasebook.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert len(rows()) >= 800
    assert f"# {len(rows())} everyday sentences" in told
    assert "(ten domains)" in told


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_domain_has_at_least_70_rows_in_all_languages(domain):
    book = phrases()[domain]
    assert len(book) >= 70
    assert {tuple(row) for row in book} == {("id", *LANGUAGES)}
    assert all(row["id"].startswith(f"{domain}-") for row in book)


def test_ids_are_unique():
    counted = Counter(row["id"] for row in rows())
    assert [row for row, count in counted.items() if count > 1] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_rows_say_the_same(language):
    counted = Counter(row[language].casefold() for row in rows())
    assert [text for text, count in counted.items() if count > 1] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty_or_badly_spaced(language):
    assert ids_where(lambda row: " ".join(row[language].split(" ")).strip() == "") == []
    assert ids_where(lambda row: re.search(r"\s\s|^\s|\s$|\t|\n", row[language])) == []


def test_english_sentences_have_4_to_20_words():
    assert ids_where(lambda row: not 4 <= len(row["eng_Latn"].split()) <= 20) == []


def test_tamil_is_written_in_tamil_script():
    def mostly_latin(row):
        letters = [letter for letter in row["tam_Taml"] if letter.isalpha()]
        return sum("\u0b80" <= letter <= "\u0bff" for letter in letters) < 0.8 * len(letters)

    assert ids_where(mostly_latin) == []


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "tam_Taml"])
def test_the_other_languages_are_not(language):
    assert ids_where(lambda row: re.search(r"[\u0b80-\u0bff]", row[language])) == []


@pytest.mark.parametrize(("mark", "opening"), [("?", "¿"), ("!", "¡")])
def test_spanish_questions_and_exclamations_open_with_an_inverted_mark(mark, opening):
    def unbalanced(row):
        return row["spa_Latn"].count(mark) != row["spa_Latn"].count(opening)

    assert ids_where(unbalanced) == []
    assert ids_where(lambda row: opening in row["spa_Latn"])


def test_a_question_is_a_question_in_every_language():
    def mixed(row):
        return len({row[language].rstrip().endswith("?") for language in LANGUAGES}) > 1

    assert ids_where(mixed) == []


def test_a_translation_is_no_copy_of_the_english():
    for language in LANGUAGES[1:]:
        assert ids_where(lambda row, code=language: row[code] == row["eng_Latn"]) == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_domain_is_one_sentence_with_a_word_exchanged(domain):
    starts = Counter(" ".join(row["eng_Latn"].casefold().split()[:3]) for row in phrases()[domain])
    assert {start: count for start, count in starts.items() if count > 6} == {}


def test_pairs_are_the_rows_in_the_languages_asked_for():
    pool = read_phrasebook(asked(source_lang="tam_Taml", target_lang="deu_Latn"))
    assert len(pool.train) == len(rows())
    first, row = pool.train[0], phrases()[DOMAINS[0]][0]
    assert (first.id, first.source, first.target) == (row["id"], row["tam_Taml"], row["deu_Latn"])
    assert (first.origin, first.split_key) == (DOMAINS[0], row["id"])
    assert pool.dropped == {}


def test_domains_can_be_chosen():
    pool = read_phrasebook(asked(domains=("travel", "dental")))
    assert {pair.origin for pair in pool.train} == {"travel", "dental"}
    assert len(pool.train) == len(phrases()["travel"]) + len(phrases()["dental"])


@pytest.mark.parametrize("key", ["source_lang", "target_lang"])
def test_a_language_that_is_not_in_the_phrasebook_is_told_with_those_that_are(key):
    with pytest.raises(UserError) as caught:
        read_phrasebook(asked(**{key: "ita_Latn"}))
    assert str(caught.value) == (
        f"data.{key}: the phrasebook has no ita_Latn; it has: {', '.join(LANGUAGES)}"
    )


def test_an_unknown_domain_is_told_with_those_there_are():
    with pytest.raises(UserError) as caught:
        read_phrasebook(asked(domains=("travel", "finance")))
    assert str(caught.value) == (
        f"data.domains: the phrasebook has no 'finance'; it has: {', '.join(DOMAINS)}"
    )
