"""``mtsweep runs``, from the command line in."""

from __future__ import annotations

import shutil
import sys

import pytest

from mtsweep import cli
from mtsweep.errors import UserError
from mtsweep.record import RunFolder
from mtsweep.serve import inventory


@pytest.fixture
def own(output, tmp_path):
    """A copy of the sweep, to remove things from."""
    for name in ("runs", "sweeps"):
        shutil.copytree(output / name, tmp_path / name)
    return tmp_path


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_list_has_every_run_with_state_chrf_and_disk(own, finished, base, capsys):
    (own / "runs" / finished[0][1].id / "record.json").unlink()
    RunFolder(own / "runs" / finished[0][1].id).set_state("running")
    assert cli.run(["runs", "--output-dir", str(own)]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line for line in lines[1:-1]}
    assert set(rows) == {base.id, *(record.id for _, record in finished)}
    assert " untouched " in rows[base.id]
    assert " interrupted " in rows[finished[0][1].id]  # it said running, and nobody is
    record = finished[1][1]
    assert f" chrF {record.scores['chrf'].value:.1f} " in rows[record.id]
    weights = sum(size(own / "runs" / r.id / "adapter") for _, r in finished)
    weights += sum(size(own / "runs" / r.id / "model") for _, r in finished)
    told = f"{size(own / 'runs') / 1e6:.1f} MB, of it weights {weights / 1e3:.1f} kB"
    assert lines[-1] == f"3 runs, {told}"


def test_one_run_is_shown_with_scores_sweeps_and_parts(own, finished, capsys):
    record = finished[0][1]
    assert cli.run(["runs", "show", record.id, "--output-dir", str(own)]) == 0
    told = capsys.readouterr().out
    assert "sweeps  small\n" in told
    assert f"({record.scores['chrf'].signature})" in told
    assert "  predictions\n" in told
    assert "state   finished\n" in told


def test_dropped_weights_leave_the_record_and_translation_says_so(own, finished, capsys):
    record = finished[0][1]
    folder = RunFolder(own / "runs" / record.id)
    there = ["--output-dir", str(own)]
    assert cli.run(["runs", "drop-weights", record.id, "--yes", *there]) == 0
    assert folder.record() == record
    assert len(folder.predictions("test")) == 12
    assert (folder.trained, folder.training()) == (None, None)
    assert cli.run(["translate", record.id, "--text", "a", *there]) == 2
    assert "weights were removed" in capsys.readouterr().err


@pytest.mark.parametrize(("answer", "left"), [("n", 3), ("", 3), ("y", 1)])
def test_removing_asks_first(own, finished, monkeypatch, capsys, answer, left):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    ids = [record.id for _, record in finished]
    assert cli.run(["runs", "remove", *ids, "--output-dir", str(own)]) == 0
    assert len(inventory.entries(own)) == left
    assert ("freed" if left == 1 else "Nothing was removed") in capsys.readouterr().out


def test_nothing_is_removed_where_nobody_can_be_asked_or_a_run_is_worked_on(
    own, finished, monkeypatch, capsys
):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    folder = RunFolder(own / "runs" / finished[0][1].id)
    remove = ["runs", "remove", folder.id, "--output-dir", str(own)]
    assert cli.run(remove) == 2
    assert "add --yes" in capsys.readouterr().err
    with folder.lock():
        assert cli.run([*remove, "--yes"]) == 2
        assert "is being worked on" in capsys.readouterr().err
    assert folder.record() is not None
    (folder.path / "record.json").unlink()
    with pytest.raises(UserError, match="has not finished"):
        inventory.drop_weights(folder)


def test_runs_that_share_the_weights_are_named(own, finished, capsys):
    folder, record = finished[0]
    twin = RunFolder(own / "runs" / "aaaaaaaaaaaa")
    shutil.copytree(own / "runs" / folder.id, twin.path)
    assert inventory.dependants([inventory.entry(twin)], inventory.entries(own)) == []
    inventory.drop_weights(twin)
    assert cli.run(["runs", "remove", folder.id, "--yes", "--output-dir", str(own)]) == 0
    assert "aaaaaaaaaaaa shares these weights" in capsys.readouterr().out
