"""What takes long to make and can be made again: kept on disk by what went into it.

``<cache>/prepared/<kind>-<key>`` holds the content and a digest. An entry is written in one step,
checked when it is read, and made by one process while others wait. When all entries together
exceed :data:`ROOM`, those not used for longest go; one that is larger itself is kept, with as much
again for what is made of it. The whole folder may be removed at any time.
``MTSWEEP_PREPARED=off`` neither reads nor writes it.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, TypeVar

from filelock import FileLock

from mtsweep.cache import cache_dir

log = logging.getLogger(__name__)

ROOM = 4 * 2**30
"""Bytes of all entries together, or :data:`_TIMES` the largest one that was used lately."""
_TIMES = 3
WORTH = 0.5
"""Seconds of making from which a value is kept."""
_ENDS = b"mtsweep prepared 2\n"
_PIECE = 2**20
_DIGEST = 32
_WAIT = 600.0
_DAY = 86400.0
_RECENT = 7 * _DAY

Value = TypeVar("Value")


def folder() -> Path:
    """Where the entries are."""
    return cache_dir() / "prepared"


def in_use() -> bool:
    """Whether anything is read from it, or written to it."""
    return os.environ.get("MTSWEEP_PREPARED", "").lower() not in {"off", "0", "none"}


def kept(
    kind: str,
    key: str,
    make: Callable[[], Value],
    pack: Callable[[Value], bytes],
    unpack: Callable[[bytes], Value],
) -> Value:
    """A value out of the store, or made and put there, where it goes into memory whole.

    Args:
        kind: What it is, for the name of the entry.
        key: Digest of everything that it is made of.
        make: Makes it.
        pack: Value to bytes.
        unpack: And back.
    """

    def write(value: Value, file: IO[bytes]) -> None:
        file.write(pack(value))

    def read(file: IO[bytes], end: int) -> Value:
        with file:
            return unpack(file.read(end))

    return kept_file(kind, key, make, write, read)


def kept_file(
    kind: str,
    key: str,
    make: Callable[[], Value],
    write: Callable[[Value, IO[bytes]], object],
    read: Callable[[IO[bytes], int], Value],
    *,
    anew: bool = False,
) -> Value:
    """A value out of the store, or made and put there.

    Args:
        kind: What it is, for the name of the entry.
        key: Digest of everything that it is made of.
        make: Makes it.
        write: Writes it to a file.
        read: Reads it from a file up to an end; has to close the file, now or later.
        anew: Give back what is read, rather than what was made.
    """
    if not in_use():
        return make()
    path = folder() / f"{kind}-{key}"
    found = _read(path, read)
    if found is not None:
        return found
    with _alone(path):
        found = _read(path, read)  # another process may have made it meanwhile
        if found is not None:
            return found
        began = time.monotonic()
        value = make()
        if time.monotonic() - began >= WORTH:
            _put(path, value, write)
            found = _read(path, read) if anew else None
        return value if found is None else found


def no_room(error: OSError, what: str, remedy: str) -> str:
    """What to say where the disk cannot take what memory has no room for.

    Args:
        error: Of the disk.
        what: Is too large.
        remedy: What else can be done than to make room.
    """
    return (
        f"{what} do not fit into memory, and {folder()} cannot take them "
        f"({error.strerror or error}); make room there, name another folder with MTSWEEP_CACHE, "
        f"or {remedy}"
    )


def scratch() -> IO[bytes]:
    """A file for writing and reading that is gone when nobody has it open, beside the entries."""
    folder().mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder())


def _read(path: Path, read: Callable[[IO[bytes], int], Value]) -> Value | None:
    """What an entry holds; ``None`` where there is none, or it is not whole."""
    try:
        file = path.open("rb")
    except OSError:
        return None
    end = path.stat().st_size - len(_ENDS) - _DIGEST
    if end < 0 or _digest(file, end) + _ENDS != file.read():
        file.close()
        log.warning("%s is not whole; it is made again", path)
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    file.seek(0)
    with _no_garbage_collection():
        return read(file, end)


@contextlib.contextmanager
def _no_garbage_collection():  # noqa: ANN202 - an iterator for contextlib
    """Unpacking makes many objects and no garbage; looking for it takes longer than making them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _digest(file: IO[bytes], end: int) -> bytes:
    """Digest of a file up to an end, where it is left."""
    file.seek(0)
    made = hashlib.blake2b(digest_size=_DIGEST)
    for start in range(0, end, _PIECE):
        made.update(file.read(min(_PIECE, end - start)))
    return made.digest()


@contextlib.contextmanager
def _alone(path: Path):  # noqa: ANN202 - an iterator for contextlib
    """Hold the lock of an entry; where that cannot be had, go on without."""
    lock = FileLock(f"{path}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_WAIT)
    except (OSError, TimeoutError) as error:
        log.warning("%s cannot be locked (%s)", path, error)
    try:
        yield
    finally:
        lock.release()


def _put(path: Path, value: Value, write: Callable[[Value, IO[bytes]], object]) -> None:
    """Write an entry; a value that cannot be written, and a full disk, only mean that it is not."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    try:
        with draft.open("w+b") as file:
            write(value, file)
            end = file.seek(0, os.SEEK_END)
            file.write(_digest(file, end) + _ENDS)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        _tidy(path.parent, keep=path)
    except (OSError, UnicodeEncodeError) as error:
        log.warning("%s is not kept (%s)", path, error)
        with contextlib.suppress(OSError):
            draft.unlink()


def _tidy(place: Path, keep: Path) -> None:
    """Remove what was not used for longest, until the rest fits; and locks of what is gone."""
    entries: list[tuple[float, int, Path]] = []
    for path in place.iterdir():
        with contextlib.suppress(OSError):
            told = path.stat()
            if path.suffix in {".lock", ".draft"}:
                whole = path.with_suffix("")
                if time.time() - told.st_mtime > _DAY and not whole.exists():
                    path.unlink()
            elif path != keep:
                entries.append((told.st_mtime, told.st_size, path))
    newest = keep.stat().st_size
    used = [size for when, size, _ in entries if time.time() - when < _RECENT]
    room = max(ROOM, _TIMES * max(newest, *used, 0))
    left = sum(size for _, size, _ in entries) + newest
    for _, size, path in sorted(entries):
        if left <= room:
            return
        with contextlib.suppress(OSError):
            path.unlink()
            left -= size


def content(paths: Iterable[Path]) -> list[str]:
    """Digest of each file.

    Raises:
        OSError: if one cannot be read.
    """
    found = []
    for path in paths:
        with path.open("rb") as file:
            found.append(hashlib.file_digest(file, "blake2b").hexdigest()[:40])
    return found
