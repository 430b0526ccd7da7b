import multiprocessing
import os
import time
from pathlib import Path

import pytest

from mtsweep import store


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("MTSWEEP_CACHE", str(tmp_path))
    monkeypatch.setenv("MTSWEEP_PREPARED", "on")
    monkeypatch.setattr(store, "WORTH", 0.0)
    return tmp_path / "prepared"


def taken(key: str = "k", text: str = "made") -> tuple[str, bool]:
    """What comes out of the store, and whether it had to be made."""
    made = []

    def make() -> str:
        made.append(text)
        return text

    return store.kept("text", key, make, str.encode, bytes.decode), bool(made)


def test_a_value_is_made_once(place):
    assert [taken(text="one"), taken(text="other")] == [("one", True), ("one", False)]
    assert taken("another key", "other") == ("other", True)


@pytest.mark.parametrize("damage", [b"", b"mtsweep prepared 1\n", b"cut"])
def test_a_torn_entry_is_noticed_and_made_again(place, damage):
    taken()
    whole = (place / "text-k").read_bytes()
    (place / "text-k").write_bytes(whole[:-1] if damage == b"cut" else damage)
    assert taken() == ("made", True)
    assert (place / "text-k").read_bytes() == whole


def test_what_is_made_quickly_is_not_kept(place, monkeypatch):
    monkeypatch.setattr(store, "WORTH", 60.0)
    assert [taken()[1], taken()[1]] == [True, True]


def test_it_can_be_switched_off(place, monkeypatch):
    monkeypatch.setenv("MTSWEEP_PREPARED", "off")
    assert [taken()[1], taken()[1]] == [True, True]
    assert not place.exists()


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_making(place, monkeypatch):
    place.parent.joinpath("prepared").write_text("a file where the folder should be")
    assert [taken()[1], taken()[1]] == [True, True]


def test_what_was_not_used_for_longest_goes_when_there_is_no_room(place, monkeypatch):
    for key in "abc":
        taken(key, key * 1000)
    for age, key in enumerate("bca"):  # a was used last
        os.utime(place / f"text-{key}", (1000 + age, 1000 + age))
    monkeypatch.setattr(store, "ROOM", 3 * 1100)
    taken("d", "d" * 1000)
    assert {path.name for path in place.glob("text-?")} == {"text-a", "text-c", "text-d"}


def test_what_alone_exceeds_the_room_is_kept_with_twice_as_much_beside_it(place, monkeypatch):
    monkeypatch.setattr(store, "ROOM", 10)
    for age, key in enumerate("abcde"):
        taken(key, key * 1000)
        os.utime(place / f"text-{key}", (time.time() - 100 + age,) * 2)
    assert {path.name for path in place.glob("text-?")} == {"text-c", "text-d", "text-e"}
    taken("small", "x")
    assert {path.name for path in place.glob("text-?")} == {"text-d", "text-e"}
    for key in "de":
        os.utime(place / f"text-{key}", (1000, 1000))  # nobody used them for long
    taken("other", "y")
    assert {path.name for path in place.glob("text-*[!k]")} == {"text-small", "text-other"}


def _slow(place: Path, out: Path) -> None:
    os.environ |= {"MTSWEEP_CACHE": str(place), "MTSWEEP_PREPARED": "on"}
    store.WORTH = 0.0

    def make() -> str:
        with out.open("a") as file:
            file.write("made\n")
        time.sleep(0.3)
        return "value"

    assert store.kept("text", "shared", make, str.encode, bytes.decode) == "value"


def test_of_two_processes_at_once_one_makes_it_and_the_other_waits(tmp_path):
    started = multiprocessing.get_context("fork")
    both = [started.Process(target=_slow, args=(tmp_path, tmp_path / "log")) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join(30)
    assert [each.exitcode for each in both] == [0, 0]
    assert (tmp_path / "log").read_text() == "made\n"
