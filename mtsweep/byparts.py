"""Scores part by part: of each language pair, and of each named source of a mix."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mtsweep.record import Record
from mtsweep.scores import LABELS, Score

_PAIR = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}-[a-z]{3}_[A-Z][a-z]{3}")
_LEADS = "chrf"


@dataclass(frozen=True)
class ByParts:
    """One metric, runs by parts."""

    metric: str
    parts: tuple[str, ...]
    lines: tuple[tuple[str, Mapping[str, Score]], ...]
    """What a row is called, and its score on each part that it was tested on."""


def by_parts(rows: Sequence[tuple[str, Record]]) -> ByParts | None:
    """Runs by parts; ``None`` where all of them were tested on one language pair alone.

    Args:
        rows: What each record is called, and the record.
    """
    told = [(label, parts_of(record)) for label, record in rows]
    parts = tuple(dict.fromkeys(part for _, each in told for part in each))
    if len(parts) < 2:
        return None
    shared = set.intersection(*({*next(iter(each.values()))} for _, each in told))
    if not shared:
        return None
    metric = _LEADS if _LEADS in shared else min(shared)
    lines = [(label, {part: each[part][metric] for part in each}) for label, each in told]
    return ByParts(metric, parts, tuple(lines))


def parts_of(record: Record) -> dict[str, dict[str, Score]]:
    """Scores of a record by language pair, then by named source of its mix.

    Of a run with one language pair its scores as a whole are those of the pair.
    """
    data = record.config["data"]
    found = {name: record.parts[name] for name in record.parts if is_pair(name)}
    if not found:
        found = {f"{data['source_lang']}-{data['target_lang']}": record.scores}
    mix = data.get("mix") or () if data.get("source") == "combined" else ()
    named = {part.get("name") for part in mix}
    return found | {name: record.parts[name] for name in record.parts if name in named}


def is_pair(part: str) -> bool:
    """Whether a part is a language pair, such as ``eng_Latn-spa_Latn``."""
    return _PAIR.fullmatch(part) is not None


def short(part: str) -> str:
    """A part as a heading: ``eng_Latn-spa_Latn`` is ``eng-spa``, where that is enough."""
    if not is_pair(part):
        return part
    return "-".join(code.partition("_")[0] for code in part.split("-"))


def as_csv(rows: Sequence[tuple[str, Record]]) -> str:
    """Every figure in full, one line a row, part and metric (``parts.csv``)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["run", "id", "kind", "part", "metric", "value", "low", "high", "base", "signature",
         "segments"]
    )  # fmt: skip
    for label, record in rows:
        for part, scores in record.parts.items():
            for name, score in scores.items():
                base = record.base_parts.get(part, {}).get(name)
                compared = base.value if base and record.kind == "run" else ""
                writer.writerow(
                    [label, record.id, record.kind, part, LABELS[name], score.value, score.low,
                     score.high, compared, score.signature, score.segments]
                )  # fmt: skip
    return out.getvalue()
