"""What memory has no room for lies on disk, and comes to the same."""

import json
import pickle
import random
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtsweep import data, device, store
from mtsweep.config import DataConfig
from mtsweep.data import shelf, spill
from mtsweep.data.clean import cleaned
from mtsweep.data.pairs import Message, Pair, conversation, fold
from mtsweep.data.seen import Seen
from mtsweep.data.shelf import Shelf
from mtsweep.data.split import in_hash_order, without
from mtsweep.data.survey import survey

TEXTS = st.text("abc é\u0bb5\u200b.", min_size=1, max_size=6).filter(str.strip)
ROWS = st.lists(st.tuples(TEXTS, TEXTS), min_size=8, max_size=60)


@pytest.fixture(autouse=True)
def no_store(tmp_path, monkeypatch):
    monkeypatch.setenv("MTSWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MTSWEEP_PREPARED", "off")


@pytest.fixture
def little(monkeypatch):
    """Hold next to nothing in memory."""
    for module, name, value in (
        (spill, "HELD", 0), (spill, "_LOOKED", 1), (spill, "_PARTED", 2000), (shelf, "_ROWS", 7)
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)


def pair(number: int, source: str, target: str, **more) -> Pair:
    return Pair(f"p:{number}", source, target, "p", fold(source), **more)


def section(path: Path, **changes) -> DataConfig:
    told = {"name": "x", "source": "files", "source_lang": "eng_Latn", "target_lang": "spa_Latn"}
    told |= {"train_file": str(path), "test_size": 2, "dev_size": 2, "clean": "none"}
    return DataConfig(**{**told, **changes})


def loaded(config: DataConfig):
    for known in (data._corpus, data._parts, data._clean, data._synthetic):
        known.cache_clear()
    return data.load(config)


def both_ways(config: DataConfig):
    """The corpus as it comes to in memory, and on disk."""
    with pytest.MonkeyPatch.context() as patch:
        held = loaded(config)
        assert isinstance(held.train, tuple)
        for module, name, value in (
            (spill, "HELD", 0), (spill, "_LOOKED", 1), (spill, "_PARTED", 2000), (shelf, "_ROWS", 7)
        ):  # fmt: skip
            patch.setattr(module, name, value)
        return held, loaded(config)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ROWS, clean=st.sampled_from(["none", "mild", "strict"]), size=st.none() | st.just(3),
       repeated=st.booleans())  # fmt: skip
def test_rows_order_counts_and_fingerprints_are_the_same_in_memory_and_on_disk(
    tmp_path, rows, clean, size, repeated
):
    made = [{"source": f"{s} {n % 7 if repeated else n}", "target": t} for n, (s, t) in
            enumerate(rows * 2)]  # fmt: skip
    made += [{"source": " ", "target": "x"}, {"source": f"{rows[0][0]} 0", "target": rows[0][1]}]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, made)), encoding="utf-8")
    config = section(path, clean=clean, size=size, leaks="keep" if repeated else "remove")
    try:
        held, stored = both_ways(config)
    except data.UserError:  # too few are left
        return
    assert isinstance(stored.train, Shelf)
    assert stored == held
    assert stored.fingerprint == held.fingerprint
    assert survey(stored) == survey(held)


def test_given_test_sets_synthetic_pairs_and_mixes_are_the_same_in_memory_and_on_disk(tmp_path):
    def wrote(name: str, first: int, count: int, word: str) -> str:
        rows = [{"source": f"{word} {n} of many here", "target": f"{word} {n} de muchos"}
                for n in range(first, first + count)]  # fmt: skip
        path = tmp_path / name
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        return str(path)

    train, test = wrote("train.jsonl", 0, 90, "real"), wrote("test.jsonl", 40, 10, "real")
    made = wrote("made.jsonl", 35, 50, "real")
    for config in (
        section(Path(train), test_file=test, clean="mild"),
        section(Path(train), synthetic_file=made, synthetic_share=0.5, size=20),
        section(Path(train), synthetic_file=made),
        section(Path(train), source="combined", train_file=None, mix=(
            {"source": "files", "train_file": train, "share": 0.5, "name": "one"},
            {"source": "files", "train_file": made, "share": 0.5, "name": "other",
             "target_lang": "deu_Latn"})),
    ):  # fmt: skip
        held, stored = both_ways(config)
        assert not isinstance(stored.train, tuple)
        assert stored == held
        assert stored.fingerprint == held.fingerprint


def test_what_was_kept_on_disk_is_read_from_there(tmp_path, monkeypatch, little):
    monkeypatch.setenv("MTSWEEP_PREPARED", "on")
    monkeypatch.setattr(store, "WORTH", 0.0)
    path = tmp_path / "rows.jsonl"
    rows = [{"source": f"number {n} of all", "target": f"numero {n} de todos"} for n in range(99)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    first = loaded(section(path))
    monkeypatch.setattr(data, "_parts", lambda _: pytest.fail("it was read again"))
    data._corpus.cache_clear()
    data._clean.cache_clear()
    again = data.load(section(path))
    assert isinstance(again.train, Shelf)
    assert again == first
    for entry in store.folder().glob("data-*"):
        entry.unlink()  # another process may need the room
    assert again.fingerprint == first.fingerprint


def test_a_shelf_is_a_sequence_like_a_tuple(little):
    pairs = [pair(n, f"text {n}", "t" * n, languages=("eng_Latn", "deu_Latn") if n % 3 else None)
             for n in range(50)]  # fmt: skip
    turns = [Message("user", "Grüße\n"), Message("assistant", "“Hello”")]
    pairs[20] = conversation("c", turns, "c")
    whole = tuple(in_hash_order(pairs, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spill, "HELD", 2**30)
        assert whole == in_hash_order(pairs, 3)
    found = in_hash_order(pairs, 3)
    assert isinstance(found, Shelf)
    assert (len(found), list(found), found[7], found[-1]) == (50, list(whole), whole[7], whole[-1])
    assert found[5:40:3] == whole[5:40:3]
    assert found[::-1][2:9] == whole[::-1][2:9]
    places = [2, 3, 11, 47]
    assert found[1:].at(places) == tuple(whole[1:][place] for place in places)
    assert found.at(places)[::2].at([1]) == (whole[11],)
    assert without(found, {"text 3"}) == without(whole, {"text 3"})
    moved = found.edited(lambda each: replace(each, origin="o")).edited(
        lambda each: replace(each, id=f"{each.id}:{each.origin}")
    )
    assert moved[3].id == f"{whole[3].id}:o"
    assert random.Random(1).sample(found, 5) == random.Random(1).sample(whole, 5)
    with pytest.raises(IndexError):
        found[50]


@given(st.lists(st.integers(0, 300), max_size=400), st.integers(1, 60))
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_what_came_before_is_remembered_in_few_bytes_and_in_many(monkeypatch, numbers, few):
    monkeypatch.setattr("mtsweep.data.seen._FEW", few)
    seen, known = Seen(), set()
    for start in range(0, len(numbers), 37):
        some = numbers[start : start + 37]
        told = seen.new([str(number) for number in some])
        for number, new in zip(some, told, strict=True):
            assert new == (number not in known)
            known.add(number)


def test_cleaning_of_pairs_on_disk_leaves_them_there(little):
    config = section(Path("x"), clean=["control", "duplicates"])
    pairs = [pair(n, f"text\x00 {n % 30}", "t") for n in range(50)]
    held, told = cleaned(in_hash_order(pairs, 1)[:45], pairs[:9], config)
    assert isinstance(held, Shelf)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spill, "HELD", 2**30)
        other, also_told = cleaned(in_hash_order(pairs, 1)[:45], pairs[:9], config)
    assert isinstance(other, tuple)
    assert (held, told) == (other, also_told)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is full")
def test_a_disk_without_room_is_told_with_the_remedy(tmp_path, monkeypatch, little):
    full = partial(Path("/dev/full").open, "wb", buffering=0)
    monkeypatch.setattr(store, "scratch", full)
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps({"source": f"s {n}", "target": "t"}) for n in range(20)))
    with pytest.raises(data.UserError, match=r"^data\.sample: .*\(No space left .*data\.sample=1"):
        loaded(section(path))


def test_little_memory_left_is_reason_enough_to_use_the_disk(monkeypatch):
    monkeypatch.setattr(spill, "_LOOKED", 1)
    pairs = [pair(n, f"text {n}", "t") for n in range(9)]
    for left, on_disk in ((None, False), (2**40, False), (1000, True), (0, True)):
        monkeypatch.setattr(device, "left", lambda left=left: left)
        assert isinstance(in_hash_order(pairs, 1), Shelf) is on_disk


def test_more_held_out_pairs_than_memory_has_room_for_are_refused_with_the_remedy(
    tmp_path, monkeypatch, little
):
    monkeypatch.setattr(device, "left", lambda: 20_000)
    monkeypatch.setattr(sys.modules[in_hash_order.__module__], "_LOOKED", 10)
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps({"source": f"s {n}", "target": "t"}) for n in range(200)))
    with pytest.raises(data.UserError, match=r"data\.test_size: .* 20 of 200 pairs.*size=500"):
        loaded(section(path, test_size=0.1))
    assert len(loaded(section(path, test_size=2, leaks="keep")).train) == 196


def test_another_process_makes_pairs_on_disk_again_rather_than_being_sent_them(tmp_path, little):
    path = tmp_path / "rows.jsonl"
    rows = [{"source": f"number {n} of all", "target": f"numero {n} de todos"} for n in range(999)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = loaded(section(path, size=900, leaks="keep"))
    sent = pickle.dumps([found, found.train])
    assert len(sent) < 150_000
    data._corpus.cache_clear()
    again, train = pickle.loads(sent)
    assert again == found
    assert again.train is train
    assert pickle.loads(pickle.dumps(found.train[2:5])) == found.train[2:5]
    path.write_text("\n".join(map(json.dumps, rows[:-1])), encoding="utf-8")
    for known in (data._corpus, data._parts, data._clean):
        known.cache_clear()
    with pytest.raises(data.UserError, match="other training pairs than when the command began"):
        pickle.loads(sent)
