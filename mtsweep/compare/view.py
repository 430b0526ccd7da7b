"""Runs as they stand on one test set: the main one, a further one, or a part of the main one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mtsweep.compare.settings import Found
from mtsweep.errors import UserError
from mtsweep.evaluation import losses, segments
from mtsweep.evaluation.segments import Counted
from mtsweep.record import Record
from mtsweep.scores import CHAT

if TYPE_CHECKING:
    from mtsweep.evaluation.segments import Array

MAIN = "test"


def viewed(found: Sequence[Found], on: str) -> list[Found]:
    """Runs whose records say what they scored on a test set, as if there were no other.

    Args:
        found: Run folders with their records.
        on: Name of a further test set (``evaluation.also``), or of a part of the main one (an
            origin, or a language pair such as ``eng_Latn-spa_Latn``).

    Raises:
        UserError: if not all of them were scored on it.
    """
    if on == MAIN:
        return list(found)
    names = [{**record.also, **record.parts} for _, record in found]
    if any(on not in each for each in names):
        known = sorted(set.intersection(*(set(each) for each in names))) or ["test alone"]
        raise UserError(
            f"--on: {on!r} was not scored for all of these runs; {', '.join(known)} was"
        )
    return [(folder, _view(folder.path, record, on)) for folder, record in found]


def counted(found: Sequence[Found], metric: str | None, on: str) -> list[Found]:
    """Runs with the score of a metric, counted from their predictions where they have none."""
    if metric is None or metric in (*CHAT, "comet"):
        return list(found)
    return [
        (folder, record if metric in record.scores else _with(folder.path, record, metric, on))
        for folder, record in found
    ]


def _with(path: Path, record: Record, metric: str, on: str) -> Record:
    counts = _counts(path, record, metric, on)
    return record.model_copy(update={"scores": {**record.scores, **counts.scores()}})


def _view(path: Path, record: Record, on: str) -> Record:
    kind = "also" if on in record.also else "parts"
    digest = segments.references(path, on if kind == "also" else MAIN)
    return record.model_copy(
        update={
            "scores": getattr(record, kind)[on],
            "base_scores": getattr(record, f"base_{kind}").get(on, {}),
            "data": {**record.data, "test_fingerprint": f"{digest} {on}"},
        }
    )


def statistics(found: Found, name: str, on: str) -> Array:
    """What a metric counted of a run, segments x statistics.

    Raises:
        UserError: if predictions are gone, or the metric cannot be counted here.
    """
    folder, record = found
    if name in CHAT:
        return losses.of_run(folder.path, on)
    return _counts(folder.path, record, name, on).statistics[name]


def _counts(path: Path, record: Record, name: str, on: str) -> Counted:
    config = record.config
    further = config["evaluation"].get("also", {}).get(on, {}) if on in record.also else {}
    language = further.get("target_lang", config["data"]["target_lang"])
    tokenizer = config["evaluation"].get("bleu_tokenizer", "auto")
    whole = on if on == MAIN or on in record.also else MAIN
    there = segments.of_run(path, [name], language, whole, tokenizer)
    if whole == on:
        return there
    data = config["data"]
    usual = (data["source_lang"], data["target_lang"])
    chosen = segments.places(segments.rows(path, MAIN), usual, on)
    return Counted({name: there.statistics[name][chosen]}, there.signatures)
