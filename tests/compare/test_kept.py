"""The judgement of a finished sweep is told again only while everything that it rests on stands."""

from __future__ import annotations

import io
import os

import pytest
from rich.console import Console

from mtsweep.cli import ending
from mtsweep.compare import compare, kept
from mtsweep.table import Row
from tests.compare.test_compare import put


@pytest.fixture
def found(tmp_path):
    return [put(tmp_path, "base00000000", 0.6, kind="base", seed=9),
            put(tmp_path, "aaaaaaaaaaaa", 0.3, {"lora.r": 4}, seed=1),
            put(tmp_path, "bbbbbbbbbbbb", 0.2, {"lora.r": 8}, seed=2)]  # fmt: skip


def told_again(folder) -> None:
    os.utime(folder.path / "predictions" / "test.jsonl", ns=(1, 1))


def scored_again(folder) -> None:
    record = folder.path / "record.json"
    record.write_text(record.read_text() + "\n")


def counted_again(folder) -> None:
    (folder.path / "segments" / "more.npz").write_bytes(b"x")


@pytest.mark.parametrize("change", [told_again, scored_again, counted_again])
def test_it_is_forgotten_when_a_run_is_not_what_it_was(tmp_path, found, change):
    comparison = compare(found)
    kept.keep(tmp_path, found, comparison)
    assert kept.kept(tmp_path, found) == comparison.sentences != ()
    assert kept.kept(tmp_path, found[:-1]) is None
    change(found[1][0])
    assert kept.kept(tmp_path, found) is None


def test_it_is_forgotten_with_other_code_and_where_its_file_is_torn(tmp_path, found, monkeypatch):
    kept.keep(tmp_path, found, compare(found))
    with monkeypatch.context() as patch:
        patch.setattr(kept, "_code", lambda: "another version")
        assert kept.kept(tmp_path, found) is None
    file = tmp_path / "judgement.json"
    file.write_text(file.read_text()[:-9])
    assert kept.kept(tmp_path, found) is None
    file.write_text("[]")
    assert kept.kept(tmp_path, found) is None


def test_a_finished_sweep_says_the_same_without_comparing_again(tmp_path, found, monkeypatch):
    table = [Row(record.id, record, record.kind, folder=folder) for folder, record in found]
    said = []
    for anew in (True, False):
        out = Console(width=200, record=True, file=io.StringIO())
        comparison = ending.judge(out, table, tmp_path, anew=anew)
        assert (comparison is None) == (not anew)
        said.append(out.export_text())
        monkeypatch.setattr("mtsweep.compare.compare", lambda *_: pytest.fail("compared again"))
    assert said[0] == said[1]
    assert "chrF" in said[0]
