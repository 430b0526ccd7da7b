"""A folder is written in one step, or not at all."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys

import pytest

from mtsweep import cli
from mtsweep.errors import UserError
from mtsweep.export import drafted


def test_a_folder_appears_whole(here):
    (here / "out").mkdir()
    mode = (here / "out").stat().st_mode
    with drafted(here / "out") as draft:
        (draft / "a.bin").write_bytes(b"a")
        assert list((here / "out").iterdir()) == []
    assert [path.name for path in here.iterdir()] == ["out"]
    assert (here / "out" / "a.bin").read_bytes() == b"a"
    assert (here / "out").stat().st_mode == mode


def test_what_goes_wrong_leaves_nothing(here):
    def torn():
        with drafted(here / "deep" / "out") as draft:
            (draft / "a.bin").write_bytes(b"a")
            raise ValueError("torn")

    with pytest.raises(ValueError, match="torn"):
        torn()
    assert [path.name for path in here.rglob("*")] == ["deep"]


KILLED = """
import os, signal, sys
from pathlib import Path
from mtsweep.export import drafted

with drafted(Path(sys.argv[1])) as draft:
    (draft / "a.bin").write_bytes(b"a")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_export_left_is_cleared_by_the_next_and_what_is_alive_stays(here):
    killed = [sys.executable, "-c", KILLED, "out"]
    assert subprocess.run(killed, check=False).returncode == -signal.SIGKILL
    assert [path.name for path in here.glob("*/a.bin")] == ["a.bin"]
    (here / ".other.draft-1").mkdir()
    with drafted(here / "out") as alive:
        (alive / "b.bin").write_bytes(b"b")
        with contextlib.suppress(UserError), drafted(here / "out"):
            assert list(here.glob("*/*.bin")) == [alive / "b.bin"]
            raise UserError("this one comes to nothing")
    assert sorted(path.name for path in here.iterdir()) == [".other.draft-1", "out"]
    assert [path.name for path in (here / "out").iterdir()] == ["b.bin"]


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("full", "is there already"),
        ("full/a.bin", "is there already"),
        ("full/a.bin/out", "cannot be written"),
    ],
)
def test_what_is_there_is_never_written_over(here, target, complaint):
    (here / "full").mkdir()
    (here / "full" / "a.bin").write_bytes(b"kept")
    with pytest.raises(UserError, match=complaint), drafted(here / target):
        pytest.fail("went on")
    assert (here / "full" / "a.bin").read_bytes() == b"kept"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["zzz", "--to", "out"], "zzz: no run"),
        (["best"], "the following arguments are required: --to"),
        (["best", "--to", "out", "--format", "onnx"], "invalid choice: 'onnx'"),
    ],
)
def test_wrong_words_are_told(here, capsys, arguments, complaint):
    assert cli.run(["export", *arguments]) == 2
    assert complaint in capsys.readouterr().err
