"""A lock that holds between machines which share a file system.

On one machine the system keeps it, and gives it back when its holder dies. Over NFS or Lustre such
locks hold between machines, or only within each, or are not there at all, as the mount says. So the
holder also keeps a note beside it with its name, touched every few seconds: a note of another
machine counts as long as it is fresh. Of one that is gone it grows old, and another may go on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
import time
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from mtsweep import interruption

BEAT_SECONDS = 10.0
"""Between two touches of a note."""
STALE_SECONDS = 90.0
"""Age from which a note of another machine does not count any more."""
_RETRY_SECONDS = 0.2
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
"""What file systems without such locks say."""


class Lock:
    """A lock by name; used as a context manager it waits until it is free.

    Args:
        path: Of the lock's file; its folder is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.note = path.with_suffix(".holder")
        self.own = f"{socket.gethostname()} {os.getpid()}\n"
        self._file = FileLock(path, thread_local=False, fallback_to_soft=False)
        self._over = threading.Event()
        self._held = False

    def acquire(self, *, blocking: bool = True) -> Lock:
        """Take the lock.

        Raises:
            Timeout: if somebody holds it, and this does not wait.
            Interrupted: if somebody asked this process to stop meanwhile.
        """
        while True:
            try:
                return self._take()
            except Timeout:
                if not blocking:
                    raise
            interruption.check()
            time.sleep(_RETRY_SECONDS)

    def release(self) -> None:
        """Give the lock back."""
        self._over.set()
        self._held = False
        with contextlib.suppress(OSError):
            if self.note.read_text(encoding="utf-8") == self.own:
                self.note.unlink()
        self._file.release()

    def __enter__(self) -> Lock:
        return self if self._held else self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _take(self) -> Lock:
        try:
            self._file.acquire(blocking=False)
        except OSError as error:
            if isinstance(error, Timeout) or error.errno not in _NO_LOCKS:
                raise
        if self._held_elsewhere() or not self._noted():
            self._file.release()
            raise Timeout(str(self.path))
        self._held, self._over = True, threading.Event()
        threading.Thread(target=self._beat, args=(self._over,), daemon=True).start()
        return self

    def _held_elsewhere(self) -> bool:
        """Whether another machine's note is fresh, by the clock of the file system."""
        try:
            host = self.note.read_text(encoding="utf-8").partition(" ")[0]
            touched = self.note.stat().st_mtime
        except OSError:
            return False
        if host == self.own.partition(" ")[0] and self._file.is_locked:
            return False
        probe = self.path.with_suffix(f".{os.getpid()}.probe")
        try:
            probe.touch()
            now = probe.stat().st_mtime
            probe.unlink()
        except OSError:
            now = time.time()
        return now - touched < STALE_SECONDS

    def _noted(self) -> bool:
        """Write the note; where that cannot be, the lock itself must do.

        Returns:
            Whether it stays: without locks, of two who write at the same time one gives way.
        """
        draft = self.path.with_suffix(f".{os.getpid()}.draft")
        try:
            draft.write_text(self.own, encoding="utf-8")
            draft.replace(self.note)
            if self._file.is_locked:
                return True
            time.sleep(_RETRY_SECONDS)
            return self.note.read_text(encoding="utf-8") == self.own
        except OSError:
            return self._file.is_locked

    def _beat(self, over: threading.Event) -> None:
        while not over.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError):
                os.utime(self.note)
