"""The judgement of a finished sweep, kept beside its report: told again as long as nothing changed.

What it rests on is the records, the predictions and what was counted of them, and our code; a file
counts as what it was while its size and its time of writing are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import mtsweep
from mtsweep.compare.model import Comparison
from mtsweep.compare.settings import Found
from mtsweep.record import write

_FILE = "judgement.json"


def keep(folder: Path, found: Sequence[Found], comparison: Comparison) -> None:
    """Keep the sentences of a comparison in the folder of its sweep."""
    told = {"of": _print(found), "sentences": comparison.sentences}
    write(folder / _FILE, json.dumps(told, ensure_ascii=False, indent=1) + "\n")


def kept(folder: Path, found: Sequence[Found]) -> tuple[str, ...] | None:
    """The sentences that were kept of the same runs; ``None`` where anything is not as it was."""
    try:
        told = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return tuple(map(str, told["sentences"])) if told["of"] == _print(found) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _print(found: Sequence[Found]) -> str:
    """What tells these runs, in this order and as they are, from others."""
    files = []
    for folder, record in found:
        parts = ("predictions", "segments", "losses")
        paths = [folder.path / "record.json"]
        paths += sorted(path for part in parts for path in (folder.path / part).glob("*"))
        states = [(str(path.relative_to(folder.path)), path.stat()) for path in paths]
        files.append([record.id, [(name, each.st_size, each.st_mtime_ns) for name, each in states]])
    return hashlib.sha256(json.dumps([_code(), files]).encode()).hexdigest()


@cache
def _code() -> str:
    """Digest of what judges."""
    root = Path(mtsweep.__file__).parent
    paths = sorted(path for part in ("compare", "evaluation", "measures")
                   for path in (root / part).glob("*.py"))  # fmt: skip
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
