"""Whether the files of a folder are whole: a manifest vouches for each, and is cheap to check."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

_MANIFEST = "manifest.json"
_BLOCK, _BLOCKS = 1 << 16, 64


@dataclass(frozen=True)
class Seal:
    """What a whole file looks like; ``smollm2.obtain`` says what is checked when."""

    bytes: int
    mtime_ns: int
    sample: str
    sha256: str

    @classmethod
    def of(cls, file: Path) -> Seal:
        """Of a file that is whole."""
        state = file.stat()
        return cls(state.st_size, state.st_mtime_ns, _sample(file), sha256(file))

    def fits(self, file: Path) -> bool:
        """Whether a file is what it was; its time is set right where that alone differs."""
        state = file.stat()
        if state.st_size != self.bytes or _sample(file) != self.sample:
            return False
        if state.st_mtime_ns != self.mtime_ns:
            if sha256(file) != self.sha256:
                return False
            with contextlib.suppress(OSError):  # of a read-only cache, which is hashed each time
                os.utime(file, ns=(state.st_atime_ns, self.mtime_ns))
        return True


def close(folder: Path, revision: str) -> None:
    """Bring every file of ``folder`` to the disk, then write the manifest that vouches for them."""
    seals = {file.name: asdict(Seal.of(file)) for file in sorted(folder.iterdir())}
    manifest = folder / _MANIFEST
    manifest.write_text(json.dumps({"revision": revision, "files": seals}, indent=1), "utf-8")
    for file in folder.iterdir():
        with file.open("rb+") as stream:
            os.fsync(stream.fileno())


def is_whole(folder: Path) -> bool:
    """Whether ``folder`` has a manifest and every file fits its seal."""
    try:
        files = json.loads((folder / _MANIFEST).read_text("utf-8"))["files"]
        return bool(files) and all(Seal(**seal).fits(folder / n) for n, seal in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def sha256(file: Path) -> str:
    """Of all of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sample(file: Path) -> str:
    """SHA-256 over evenly spread blocks and the last one; over all of a file up to 4 MiB."""
    digest = hashlib.sha256()
    with file.open("rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        for start in [*range(0, size, max(_BLOCK, size // _BLOCKS)), max(0, size - _BLOCK)]:
            stream.seek(start)
            digest.update(stream.read(_BLOCK))
    return digest.hexdigest()
