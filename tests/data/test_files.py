import json
from pathlib import Path

import pytest

from mtsweep.config import DataConfig
from mtsweep.data import load
from mtsweep.data.files import read_files
from mtsweep.errors import UserError

GOOD = {"source": "Good morning.", "target": "Buenos días."}


def asked(train_file: Path | str, **changes) -> DataConfig:
    told = {"name": "files", "source": "files", "source_lang": "eng_Latn"}
    told |= {"target_lang": "spa_Latn", "train_file": str(train_file), "test_size": 2}
    return DataConfig(**{**told, "dev_size": 2, **changes})


def written(path: Path, *rows: object) -> Path:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return path


def texts(path: Path, **changes) -> list[tuple[str, str]]:
    return [(pair.source, pair.target) for pair in read_files(asked(path, **changes)).train]


def refused(path: Path, **changes) -> str:
    with pytest.raises(UserError) as caught:
        load(asked(path, **changes))
    return str(caught.value)


def numbered(count: int) -> list[dict[str, str]]:
    return [{"source": f"number {n}", "target": f"número {n}"} for n in range(count)]


def test_pairs_are_read_with_where_they_stand(here):
    path = written(here / "pairs.jsonl", GOOD, {**GOOD, "source": "Good  MORNING.", "note": 3})
    one, other = read_files(asked(path)).train
    assert (one.id, one.origin) == ("pairs.jsonl:1", "pairs")
    assert (other.source, other.target) == ("Good  MORNING.", "Buenos días.")
    assert one.split_key == other.split_key


@pytest.mark.parametrize(
    "row",
    [
        {"translation": {"en": "Good morning.", "es": "Buenos días."}},
        {"translation": {"eng_Latn": "Good morning.", "spa_Latn": "Buenos días."}},
        {"translation": {"eng": "Good morning.", "spa": "Buenos días."}},
        {"id": 7, "translation": {"es": "Buenos días.", "fr": "Bonjour.", "en": "Good morning."}},
    ],
    ids=["iso", "flores", "iso639-3", "more"],
)
def test_the_nested_form_is_read_by_any_code_of_the_language(here, row):
    assert texts(written(here / "pairs.jsonl", row)) == [("Good morning.", "Buenos días.")]


def test_columns_can_be_named(here):
    path = written(here / "pairs.jsonl", {"ask": "Yes?", "answer": "¿Sí?", "source": "corpus"})
    assert texts(path, source_column="ask", target_column="answer") == [("Yes?", "¿Sí?")]


def test_columns_of_the_nested_form_can_be_named(here):
    path = written(here / "pairs.jsonl", {"translation": {"EN": "Yes?", "es_MX": "¿Sí?"}})
    assert texts(path, source_column="EN", target_column="es_MX") == [("Yes?", "¿Sí?")]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_byte_order_mark_and_line_ends_are_no_text(here, end, mark):
    path = here / "pairs.jsonl"
    line = json.dumps(GOOD, ensure_ascii=False)
    path.write_bytes(f"{mark}{line}{end}{line}{end}".encode())
    assert texts(path) == [("Good morning.", "Buenos días.")] * 2


@pytest.mark.parametrize("sign", ["\u2028", "\u0085", "\x0b", "\n", "\t"])
def test_a_line_separator_within_a_text_does_not_end_a_line(here, sign):
    path = written(here / "pairs.jsonl", {"source": f"one{sign}two", "target": "uno dos"}, GOOD)
    assert texts(path)[0] == (f"one{sign}two", "uno dos")
    assert len(texts(path)) == 2


def test_blank_lines_are_passed_over_but_counted_as_lines(here):
    path = here / "pairs.jsonl"
    path.write_text(f"\n  \n{json.dumps(GOOD)}\n\n", encoding="utf-8")
    assert [pair.id for pair in read_files(asked(path)).train] == ["pairs.jsonl:3"]


def test_empty_texts_are_left_out_and_counted(here):
    path = written(
        here / "pairs.jsonl", GOOD, {**GOOD, "source": ""}, {**GOOD, "target": " \t"}, GOOD
    )
    pool = read_files(asked(path))
    assert len(pool.train) == 2
    assert pool.dropped == {"empty": 2}


def test_dev_and_test_files_are_taken_as_they_are(here):
    train = written(here / "train.jsonl", *numbered(10))
    dev = written(here / "dev.jsonl", GOOD)
    test = written(here / "test.jsonl", *numbered(3))
    corpus = load(asked(train, dev_file=str(dev), test_file=str(test)))
    assert [pair.source for pair in corpus.test] == ["number 0", "number 1", "number 2"]
    assert [pair.source for pair in corpus.dev] == ["Good morning."]
    assert {pair.source for pair in corpus.train} == {f"number {n}" for n in range(3, 10)}


def test_a_missing_file_is_told_with_where_it_was_looked_for(here):
    assert refused(Path("no.jsonl")) == (
        f"data.train_file: no.jsonl does not exist (looked from {here})"
    )


@pytest.mark.parametrize("part", ["dev_file", "test_file"])
def test_a_missing_dev_or_test_file_is_told_by_its_key(here, part):
    path = written(here / "pairs.jsonl", *numbered(10))
    told = refused(path, **{"test_file": str(path), part: "no.jsonl"})
    assert told.startswith(f"data.{part}: no.jsonl does not exist")


def test_a_folder_is_no_file(here):
    assert "is a folder" in refused(here)


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
def test_an_empty_file_is_told(here, text):
    path = here / "pairs.jsonl"
    path.write_text(text, encoding="utf-8")
    assert refused(path) == (
        f"data.train_file: {path} holds no pairs; expected one JSON object a line"
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{'source': 1}", "not JSON"),
        ('{"source": "a", "target": "b"', "not JSON"),
        ("plain text", "not JSON"),
        ('["a", "b"]', "expected a JSON object, found list"),
        ('"a"', "expected a JSON object, found str"),
        ("null", "expected a JSON object, found NoneType"),
        ('{"source": "a"}', "found source"),
        ("{}", "found nothing"),
        ('{"source": "a", "target": null}', "expected text under 'source' and 'target'"),
        ('{"source": ["a"], "target": "b"}', "expected text under 'source' and 'target'"),
        ('{"translation": {"en": "a", "fr": "b"}}', "found en, fr"),
        ('{"translation": "a"}', "found translation"),
    ],
)
def test_a_line_that_is_not_as_expected_is_told_with_file_and_line(here, line, told):
    path = here / "pairs.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n\n{line}\n", encoding="utf-8")
    complaint = refused(path)
    assert complaint.startswith(f"data.train_file: {path}, line 3: ")
    assert told in complaint
    assert "\n" not in complaint


def test_missing_columns_are_told_with_the_remedy_in_both_forms(here):
    told = refused(written(here / "pairs.jsonl", {"a": "a", "b": "b"}))
    assert '{"translation": {"en": …, "es": …}}; found a, b' in told
    assert "name others with data.source_column and data.target_column" in told


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_file_that_is_not_utf_8_is_told_with_line_and_remedy(here, encoding):
    path = here / "pairs.jsonl"
    line = json.dumps(GOOD, ensure_ascii=False) + "\n"
    path.write_bytes(line.encode() * 2 + line.encode(encoding))
    told = refused(path)
    assert told.startswith(f"data.train_file: {path}, line 3: not UTF-8 (")
    assert "iconv -t UTF-8" in told


def test_half_a_surrogate_pair_is_told_with_file_and_line(here):
    # JSON admits "\ud83d" alone; no tokenizer, hash or file does.
    path = here / "pairs.jsonl"
    half = json.dumps({"source": "a \ud83d", "target": "b"})
    path.write_text("\n".join([json.dumps(row) for row in numbered(10)] + [half]), encoding="utf-8")
    assert refused(path).startswith(f"data.train_file: {path}, line 11: ")


def test_a_size_beyond_the_data_is_refused_with_what_there_is(here):
    path = written(here / "pairs.jsonl", *numbered(10))
    assert refused(path, size=7) == (
        "data.size: 7 pairs asked for, 6 there (after 2 test and 2 dev pairs)"
    )
    assert len(load(asked(path, size=6)).train) == 6


def test_equal_content_has_one_fingerprint_wherever_it_lies(here):
    (here / "elsewhere").mkdir()
    one = load(asked(written(here / "a.jsonl", *numbered(12))))
    other = load(asked(written(here / "elsewhere" / "b.jsonl", *numbered(12))))
    third = load(asked(written(here / "c.jsonl", *numbered(11), GOOD)))
    assert one.fingerprint == other.fingerprint != third.fingerprint


def test_the_nested_form_has_the_fingerprint_of_the_flat_one(here):
    nested = [{"translation": {"en": r["source"], "es": r["target"]}} for r in numbered(12)]
    one = load(asked(written(here / "a.jsonl", *numbered(12))))
    assert load(asked(written(here / "b.jsonl", *nested))).fingerprint == one.fingerprint
