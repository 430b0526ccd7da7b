import json

import pytest

from mtsweep import plan as plans
from mtsweep.data import load
from mtsweep.errors import UserError
from tests.overrides import composed
from tests.standins.datasets import COMMIT, NAMES, texts

SMALL = ["data.test_size=0.2", "data.dev_size=10"]


pytestmark = pytest.mark.usefixtures("hub_datasets")


def corpus(*overrides: str):
    (job,) = composed(*overrides)
    return load(job.config.data)


def test_there_are_data_sets_to_test():
    assert len(NAMES) >= 3


@pytest.mark.parametrize(
    ("option", "codes"),
    [
        ("opus_books", ("eng_Latn", "spa_Latn")),
        ("nllb_en_ta", ("eng_Latn", "tam_Taml")),
        ("flores", ("deu_Latn", "fra_Latn")),
    ],
)
def test_a_data_set_of_the_hub_is_read_in_its_true_columns(here, option, codes):
    sizes = SMALL if option != "flores" else ["data.dev_size=10"]
    read = corpus(f"data={option}", *sizes)
    known = set(texts(*codes))
    rows = [*read.train, *read.dev, *read.test]
    assert len(rows) == 120
    assert {(pair.source, pair.target) for pair in rows} <= known
    assert len({pair.source for pair in rows}) > 100
    assert COMMIT in read.provenance[0]


def test_flores_keeps_its_own_test_set_unless_told_otherwise(here):
    own = corpus("data=flores", "data.dev_size=10")
    assert [len(part) for part in (own.train, own.dev, own.test)] == [70, 10, 40]
    split = corpus("data=flores", "data.own_splits=false", "data.test_split=null", *SMALL)
    assert len(split.test) == 16
    assert len(split.train) + len(split.dev) + len(split.test) == 80


def test_books_are_read_backwards_too(here):
    read = corpus(
        "data=opus_books", "data.config=de-en", "data.source_lang=eng_Latn",
        "data.target_lang=deu_Latn", *SMALL,
    )  # fmt: skip
    assert {(pair.source, pair.target) for pair in read.train} <= set(texts("eng_Latn", "deu_Latn"))


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["data=opus_books", "data.config=en-xx"], "data.config: Helsinki-NLP/opus_books has no"),
        (["data=flores", "data.train_split=nope"], "data.train_split: "),
        (["data=nllb_en_ta", "data.source_column=english"], "data.dataset: "),
        (["data=opus_books", "data.dataset=no/such-thing"], "data.dataset: no/such-thing is not"),
        (["data=opus_books", "data.dataset=./nowhere"], "data.dataset: there is no folder"),
    ],
)
def test_what_a_data_set_lacks_is_told_by_its_key(here, overrides, told):
    with pytest.raises(UserError) as caught:
        corpus(*overrides, *SMALL)
    assert str(caught.value).startswith(told)


def test_the_same_rows_from_a_file_are_the_same_run(here):
    rows = texts("eng_Latn", "spa_Latn")
    lines = [json.dumps({"source": source, "target": target}) for source, target in rows]
    (here / "books.jsonl").write_text("\n".join(lines), encoding="utf-8")
    keys = ["data.source_lang=eng_Latn", "data.target_lang=spa_Latn", "model=tiny_causal", *SMALL]
    (hub,) = plans.make(composed("data=opus_books", *keys)).runs
    (file,) = plans.make(composed("data=files", "data.train_file=books.jsonl", *keys)).runs
    assert hub.id == file.id
