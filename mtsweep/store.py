"""What takes long to make and can be made again: kept on disk by what went into it.

``<cache>/prepared/<kind>-<key>`` holds a digest and the content. An entry is written in one step,
checked when it is read, and made by one process while others wait. When all entries together
exceed :data:`ROOM`, those not used for longest go; the whole folder may be removed at any time.
``MTSWEEP_PREPARED=off`` neither reads nor writes it.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from mtsweep.cache import cache_dir
from mtsweep.record import write

log = logging.getLogger(__name__)

ROOM = 4 * 2**30
"""Bytes of all entries together."""
WORTH = 0.5
"""Seconds of making from which a value is kept."""
_MAGIC = b"mtsweep prepared 1\n"
_DIGEST = 32
_WAIT = 600.0
_DAY = 86400.0

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
    """A value out of the store, or made and put there.

    Args:
        kind: What it is, for the name of the entry.
        key: Digest of everything that it is made of.
        make: Makes it.
        pack: Value to bytes.
        unpack: And back.
    """
    if not in_use():
        return make()
    path = folder() / f"{kind}-{key}"
    found = _read(path, unpack)
    if found is not None:
        return found
    with _alone(path):
        found = _read(path, unpack)  # another process may have made it meanwhile
        if found is not None:
            return found
        began = time.monotonic()
        value = make()
        if time.monotonic() - began >= WORTH:
            _put(path, value, pack)
        return value


def _read(path: Path, unpack: Callable[[bytes], Value]) -> Value | None:
    """What an entry holds; ``None`` where there is none, or it is not whole."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    start = len(_MAGIC) + _DIGEST
    body = memoryview(content)[start:]
    if content[:start] != _MAGIC + _digest(body):
        log.warning("%s is not whole; it is made again", path)
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    with _no_garbage_collection():
        return unpack(bytes(body))


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


def _digest(body: bytes | memoryview) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST).digest()


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


def _put(path: Path, value: Value, pack: Callable[[Value], bytes]) -> None:
    """Write an entry; a value that cannot be packed, and a full disk, only mean that it is not."""
    try:
        body = pack(value)
        if len(body) <= ROOM:
            write(path, _MAGIC + _digest(body) + body)
            _tidy(path.parent, keep=path)
    except (OSError, UnicodeEncodeError) as error:
        log.warning("%s is not kept (%s)", path, error)


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
    left = sum(size for _, size, _ in entries) + keep.stat().st_size
    for _, size, path in sorted(entries):
        if left <= ROOM:
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
