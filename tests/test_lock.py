"""Who holds a lock, between processes and between machines."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from mtsweep import interruption, lock
from mtsweep.interruption import Interrupted
from mtsweep.lock import Lock


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "run.lock"


def noted(path: Path, host: str, age: float) -> None:
    note = path.with_suffix(".holder")
    note.write_text(f"{host} 77\n")
    os.utime(note, (time.time() - age, time.time() - age))


def test_one_holds_it_and_the_next_waits_or_is_told(path):
    taken = threading.Event()

    def wait() -> None:
        with Lock(path):
            taken.set()

    with Lock(path):
        with pytest.raises(Timeout):
            Lock(path).acquire(blocking=False)
        waiter = threading.Thread(target=wait)
        waiter.start()
        assert not taken.wait(0.3)
    waiter.join(5)
    assert taken.is_set()
    assert [file.name for file in path.parent.iterdir()] in ([path.name], [])


def test_a_holder_that_was_killed_holds_nothing(path):
    script = "import sys, time; from pathlib import Path; from mtsweep.lock import Lock\n" \
        "Lock(Path(sys.argv[1])).acquire(); print(flush=True); time.sleep(60)"  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(Timeout):
            Lock(path).acquire(blocking=False)
        holder.kill()
    with Lock(path).acquire(blocking=False):
        pass


def test_another_machine_holds_it_as_long_as_its_note_is_fresh(path):
    noted(path, "node7", 5.0)
    with pytest.raises(Timeout):
        Lock(path).acquire(blocking=False)
    assert not FileLock(path).is_locked
    noted(path, "node7", lock.STALE_SECONDS + 5)
    with Lock(path).acquire(blocking=False) as held:
        assert held.note.read_text() == held.own


def test_a_note_is_touched_while_the_lock_is_held_and_gone_afterwards(path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.02)
    with Lock(path) as held:
        os.utime(held.note, (0, 0))
        deadline = time.monotonic() + 5
        while held.note.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert held.note.stat().st_mtime > 0
    assert not held.note.exists()


def test_a_file_system_without_locks_is_served_by_notes_alone(path, monkeypatch):
    def refuse(self: object, *_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with Lock(path).acquire(blocking=False), pytest.raises(Timeout):
        Lock(path).acquire(blocking=False)
    with Lock(path).acquire(blocking=False):
        pass


def test_who_waits_can_be_asked_to_stop(path, monkeypatch):
    monkeypatch.setattr(interruption, "_asked", threading.Event())
    with Lock(path):
        interruption.ask()
        with pytest.raises(Interrupted):
            Lock(path).acquire()
