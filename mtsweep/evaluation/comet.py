"""COMET, after all runs: each (source, hypothesis, reference) once, in a process of its own.

What was scored is kept in ``comet/<model>.jsonl`` beside ``runs/``, so that a text which several
runs say, or which was scored before an interruption, is never scored again.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtsweep.errors import RunFailedError
from mtsweep.evaluation import segments
from mtsweep.evaluation.segments import Counted
from mtsweep.record import Record, RunFolder
from mtsweep.scores import Score

NAME = "comet"
_WORKER = Path(__file__).with_name("comet_worker.py")
_TEST = "test"
_TOLD = 12
"""Last lines of a process that failed."""

Found = tuple[RunFolder, Record]


@dataclass(frozen=True)
class Comet:
    """Which model scores, and where."""

    model: str
    """Of the hub, or a checkpoint's path."""
    python: str | None
    """A Python that has unbabel-comet; ``None``: this one."""
    batch_size: int = 16


def complete(found: Sequence[Found], asked: Comet, output: Path) -> list[Found]:
    """Give runs their COMET scores, and write them into their records.

    Args:
        found: Finished runs and base rows; those that have the scores stay as they are.
        asked: Which model, and where.
        output: Folder with ``runs/``.

    Returns:
        All of them, with their records as they are now.

    Raises:
        RunFailedError: if the process failed; what it scored until then is kept.
        UserError: if predictions are gone.
    """
    predictions = {
        (folder.path, name): segments.rows(folder.path, name)
        for folder, record in found
        if not _has(record, asked)
        for name in (_TEST, *record.also)
    }
    triples = {
        _key(row): {"src": row["source"], "mt": row["hypothesis"], "ref": row["reference"]}
        for rows in predictions.values()
        for row in rows
    }
    known, version = _scored(triples, asked, output)
    signature = f"comet:{version}|model:{asked.model}|scale:100"
    counted = {
        place: _counted([known[_key(row)] for row in rows], signature)
        for place, rows in predictions.items()
    }
    for (path, name), each in counted.items():
        each.keep(path, name)
    return list(_written(found, counted, predictions, asked))


def _has(record: Record, asked: Comet) -> bool:
    score = record.scores.get(NAME)
    return score is not None and f"|model:{asked.model}|" in score.signature


def _key(row: Mapping[str, Any]) -> str:
    text = json.dumps([row["source"], row["hypothesis"], row["reference"]], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _counted(scores: Sequence[float], signature: str) -> Counted:
    import numpy as np

    return Counted({NAME: np.array([[score, 1.0] for score in scores])}, {NAME: signature})


def _scored(
    triples: Mapping[str, Mapping[str, str]], asked: Comet, output: Path
) -> tuple[dict[str, float], str]:
    """Scores of all triples, from the cache or newly made; and COMET's version."""
    slug = re.sub(r"[^\w.-]+", "-", asked.model)[-80:]
    cache = output / NAME / f"{slug}.jsonl"
    known, version = _cached(cache)
    missing = [key for key in triples if key not in known]
    if not missing:
        return known, version
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mtsweep-comet-") as draft:
        wanted, told = Path(draft) / "triples.jsonl", Path(draft) / "scores.jsonl"
        lines = [json.dumps(triples[key], ensure_ascii=False) + "\n" for key in missing]
        wanted.write_text("".join(lines), encoding="utf-8")
        try:
            _run(asked, wanted, told)
        finally:
            # What was scored before a failure or an interruption counts.
            _remember(cache, missing, told)
    return _cached(cache)


def _run(asked: Comet, triples: Path, scores: Path) -> None:
    command = [asked.python or sys.executable, str(_WORKER), asked.model, str(triples),
               str(scores), str(asked.batch_size)]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise RunFailedError(f"COMET: {command[0]} cannot be started ({error.strerror})") from error
    if done.returncode:
        last = "\n".join(f"    {line}" for line in done.stderr.strip().split("\n")[-_TOLD:])
        raise RunFailedError(f"COMET: its process ended with {done.returncode}:\n{last}")


def _remember(cache: Path, keys: Sequence[str], told: Path) -> None:
    if not told.is_file():
        return
    head, *scores = told.read_text(encoding="utf-8").split("\n")
    lines = [head] if head else []
    for key, score in zip(keys, scores, strict=False):  # fewer, where the process was cut off
        if score:
            lines.append(json.dumps({"key": key, "score": float(score)}))
    with cache.open("a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))


def _cached(cache: Path) -> tuple[dict[str, float], str]:
    known: dict[str, float] = {}
    version = "unknown"
    if cache.is_file():
        for line in cache.read_text(encoding="utf-8").split("\n"):
            try:
                told = json.loads(line)
            except ValueError:
                continue  # cut off
            if "key" in told:
                known[told["key"]] = told["score"]
            else:
                version = told[NAME]
    return known, version


def _written(
    found: Sequence[Found],
    counted: Mapping[tuple[Path, str], Counted],
    predictions: Mapping[tuple[Path, str], Sequence[Mapping[str, Any]]],
    asked: Comet,
) -> Iterator[Found]:
    """Records with the scores in them; base rows first, because runs carry theirs."""
    bases: dict[str, Record] = {}
    done: dict[str, Found] = {}
    for folder, record in sorted(found, key=lambda each: each[1].kind != "base"):
        made = record
        if not _has(record, asked):
            whole = counted[folder.path, _TEST]
            rows = predictions[folder.path, _TEST]
            made = _with(record, "scores", whole.scores())
            for name in record.also:
                made = _within(made, "also", name, counted[folder.path, name].scores())
            for part in record.parts:
                where = segments.places(rows, _languages(record), part)
                made = _within(made, "parts", part, whole.scores(where))
        base = made if record.kind == "base" else bases.get(record.base_id or "")
        if base is not None:
            bases.setdefault(base.id, base)
            made = _with(made, "base_scores", _only(base.scores))
            for kind in ("also", "parts"):
                for name, scores in getattr(base, kind).items():
                    made = _within(made, f"base_{kind}", name, _only(scores))
        if made != record:
            folder.finish(made)
        done[record.id] = folder, made
    yield from (done[record.id] for _, record in found)


def _languages(record: Record) -> tuple[str, str]:
    data = record.config["data"]
    return data["source_lang"], data["target_lang"]


def _only(scores: Mapping[str, Score]) -> dict[str, Score]:
    return {name: score for name, score in scores.items() if name == NAME}


def _with(record: Record, field: str, scores: Mapping[str, Score]) -> Record:
    return record.model_copy(update={field: {**getattr(record, field), **scores}})


def _within(record: Record, field: str, name: str, scores: Mapping[str, Score]) -> Record:
    told = getattr(record, field)
    return record.model_copy(update={field: {**told, name: {**told.get(name, {}), **scores}}})
