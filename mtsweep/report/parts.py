"""Scores on parts of the test set and on further test sets, run by run.

Values and intervals are those of the records; what is tied with the best of a column is what
:mod:`mtsweep.compare` says of the runs on it (``compare --on``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mtsweep.byparts import is_pair, parts_of, short
from mtsweep.compare import compare
from mtsweep.errors import UserError
from mtsweep.record import Record
from mtsweep.report.cells import Cell, cell
from mtsweep.report.entries import Entry, Sweep
from mtsweep.scores import LABELS, Score

_ABREAST = 6
"""Columns that a page shows side by side."""
_JUDGED = 400
"""Runs times columns up to which each column is judged; a judgement compares all pairs of runs."""


@dataclass(frozen=True)
class Name:
    """Of a row or column: a run, or a part with the segments in it."""

    text: str
    kind: str = ""
    segments: int | None = None


@dataclass(frozen=True)
class PartTable:
    """Runs by parts of one kind; parts by runs, where that is narrower."""

    title: str
    metric: str
    label: str
    """Of the metric."""
    corner: str
    """Over the names of rows."""
    heads: Sequence[Name]
    rows: Sequence[tuple[Name, Sequence[Cell | None]]]
    judged: bool


@dataclass(frozen=True)
class _Seen:
    """An entry, by part: its scores and those of the untouched model."""

    entry: Entry
    scores: Mapping[str, Mapping[str, Score]]
    base: Mapping[str, Mapping[str, Score]]


def tables(sweep: Sweep, metric: str) -> list[PartTable]:
    """The tables of a sweep: by language pair, by the rest of its parts, by further test set."""
    entries = [(entry, entry.record) for entry in sweep.judged if entry.record]
    inner = [
        _Seen(entry, {**parts_of(record), **record.parts}, _base_parts(record))
        for entry, record in entries
    ]
    further = [_Seen(entry, record.also, record.base_also) for entry, record in entries]
    names = list(dict.fromkeys(name for seen in inner for name in seen.scores))
    pairs = [name for name in names if is_pair(name)]
    others = [name for name in names if not is_pair(name)]
    also = list(dict.fromkeys(name for seen in further for name in seen.scores))
    told = (
        ("By language pair", inner, pairs if len(pairs) > 1 else []),
        ("By part of the test set", inner, others if len(others) > 1 else []),
        ("Further test sets", further, also),
    )
    made = [_table(title, seen, columns, metric) for title, seen, columns in told]
    return [each for each in made if each is not None]


def _base_parts(record: Record) -> dict[str, Mapping[str, Score]]:
    alone = parts_of(record.model_copy(update={"scores": record.base_scores, "parts": {}}))
    return {**alone, **record.base_parts}


def _table(
    title: str, seen: Sequence[_Seen], names: Sequence[str], metric: str
) -> PartTable | None:
    names = [name for name in names if any(metric in each.scores.get(name, {}) for each in seen)]
    if not names:
        return None
    judged = len(seen) * len(names) <= _JUDGED
    tied = {name: _tied(seen, name, metric) if judged else set() for name in names}
    columns = [Name(short(name), segments=_segments(seen, name, metric)) for name in names]
    runs = [Name(each.entry.label, each.entry.kind) for each in seen]
    cells = [[_cell(each, name, metric, tied[name]) for name in names] for each in seen]
    told = title, metric, LABELS[metric]
    marked = judged and any(tied.values())
    if len(columns) > _ABREAST and len(runs) < len(columns):
        turned = list(zip(columns, map(list, zip(*cells, strict=True)), strict=True))
        return PartTable(*told, "part", runs, turned, marked)
    return PartTable(*told, "run", columns, list(zip(runs, cells, strict=True)), marked)


def _segments(seen: Sequence[_Seen], name: str, metric: str) -> int:
    return next(
        each.scores[name][metric].segments for each in seen if metric in each.scores.get(name, {})
    )


def _cell(seen: _Seen, name: str, metric: str, tied: set[str]) -> Cell | None:
    score = seen.scores.get(name, {}).get(metric)
    if score is None:
        return None
    base = seen.base.get(name, {}).get(metric) if seen.entry.kind == "run" else None
    return cell(score, base, tied=seen.entry.id in tied)


def _tied(seen: Sequence[_Seen], name: str, metric: str) -> set[str]:
    """Ids of runs that are tied with the best on a part; none where it cannot be judged."""
    found = [
        (each.entry.folder, each.entry.record)
        for each in seen
        if each.entry.folder and each.entry.record and _scored_on(each.entry.record, name)
    ]
    if sum(record.kind == "run" for _, record in found) < 2:
        return set()
    try:
        comparison = compare(found, metric, on=name)
    except UserError:  # told with the judgement of the whole test set, if it is true of that
        return set()
    verdicts = [verdict for verdict in comparison.verdicts if verdict.metric == metric]
    if len(verdicts) != 1:
        return set()
    return {run for key in verdicts[0].tied for run in comparison.row(key).ids}


def _scored_on(record: Record, name: str) -> bool:
    return name in record.parts or name in record.also
