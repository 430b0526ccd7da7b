"""Every translation of every run, packed small: the page unpacks what it shows.

A block is JSON, deflated by gzip and written in base64; one for the texts of a test set, one for
the segment scores, one for the outputs of each run.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mtsweep import languages
from mtsweep.record import RunFolder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROOM = 22 * 2**20
"""Bytes of all blocks together; what is over is left out, and the page says so."""


@dataclass(frozen=True)
class Predictions:
    """Outputs of one run on one test set."""

    run: str
    """Its id."""
    ids: tuple[str, ...]
    sources: tuple[str, ...]
    references: tuple[str, ...]
    hypotheses: tuple[str, ...]


@dataclass
class SampleSet:
    """A test set and the runs that translated it."""

    name: str
    source_lang: str
    target_lang: str
    ids: tuple[str, ...]
    sources: tuple[str, ...]
    references: tuple[str, ...]
    hypotheses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By run id."""
    scores: dict[str, list[float]] = field(default_factory=dict)
    """Segment chrF by run id."""

    def direction(self, code: str) -> str:
        """Which way a FLORES-200 code's script is written: ``ltr`` or ``rtl``."""
        return languages.direction(code)


def read(folder: RunFolder, test_set: str = "test") -> Predictions | None:
    """The predictions of a run; ``None`` where they are no longer there."""
    path = folder.path / "predictions" / f"{test_set}.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError:
        return None
    rows = [json.loads(line) for line in lines if line.strip()]
    column = {
        name: tuple(str(row[name]) for row in rows)
        for name in ("id", "source", "reference", "hypothesis")
    }
    return Predictions(
        folder.id, column["id"], column["source"], column["reference"], column["hypothesis"]
    )


def test_sets(folders: Iterable[RunFolder]) -> list[str]:
    """Names of all test sets that any of the runs translated; the main one first."""
    found = {path.stem for folder in folders for path in folder.path.glob("predictions/*.jsonl")}
    return sorted(found, key=lambda name: (name != "test", name))


def gather(runs: Sequence[tuple[RunFolder, Mapping[str, Any]]]) -> list[SampleSet]:
    """Outputs of all runs, by test set: same name, same texts, same languages.

    Args:
        runs: Folders and configurations, in the order in which they are shown.
    """
    sets: dict[tuple[object, ...], SampleSet] = {}
    for name in test_sets(folder for folder, _ in runs):
        for folder, config in runs:
            told = read(folder, name)
            if told is None or not told.ids:
                continue
            data = config["data"]
            key = (name, data["source_lang"], data["target_lang"], told.sources, told.references)
            if key not in sets:
                sets[key] = SampleSet(
                    name, data["source_lang"], data["target_lang"], told.ids, told.sources,
                    told.references,
                )  # fmt: skip
            sets[key].hypotheses[folder.id] = told.hypotheses
            sets[key].scores[folder.id] = _scores(folder, name, told)
    return list(sets.values())


def _scores(folder: RunFolder, test_set: str, told: Predictions) -> list[float]:
    """Segment chrF: from the statistics that the run left, or else from its texts."""
    import numpy as np

    path = folder.path / "segments" / f"{test_set}.npz"
    try:
        with np.load(path, allow_pickle=False) as kept:
            statistics = kept["chrf"]
    except (OSError, KeyError, ValueError):
        statistics = _statistics(told)
    if len(statistics) != len(told.ids) or statistics.shape[1] != 18:
        statistics = _statistics(told)
    return [round(float(value), 1) for value in segment_chrf(statistics)]


def _statistics(told: Predictions) -> NDArray[np.float64]:
    import numpy as np
    from sacrebleu.metrics.chrf import CHRF

    rows = CHRF()._extract_corpus_statistics(told.hypotheses, [told.references])  # noqa: SLF001
    return np.array(rows, dtype=float)


def segment_chrf(statistics: NDArray[np.float64]) -> NDArray[np.float64]:
    """Segment chrF from sacreBLEU's statistics (Popovic 2015, beta 2, orders 1 to 6).

    Args:
        statistics: segments x 18; per order n-grams of hypothesis, of reference, and matches.

    Returns:
        segments; from 0 to 100, as ``CHRF().sentence_score``.
    """
    import numpy as np

    orders = np.asarray(statistics, dtype=float).reshape(len(statistics), -1, 3)
    hypothesis, reference, matches = orders[..., 0], orders[..., 1], orders[..., 2]
    counted = (hypothesis > 0) & (reference > 0)
    effective = np.maximum(counted.sum(axis=1), 1)
    precision = np.where(counted, matches / np.maximum(hypothesis, 1), 0.0).sum(axis=1) / effective
    recall = np.where(counted, matches / np.maximum(reference, 1), 0.0).sum(axis=1) / effective
    total = 4 * precision + recall
    return 100 * 5 * precision * recall / np.where(total > 0, total, 1.0)


@dataclass(frozen=True)
class Packed:
    """What the page gets of the samples."""

    sets: list[dict[str, Any]]
    """Names, languages, and which blocks hold what."""
    blocks: dict[str, str]
    """Block name to base64 text."""


def pack(sets: Sequence[SampleSet], room: int = ROOM) -> Packed:
    """Blocks of all sets; where they take more than ``room``, each set keeps its first segments."""
    packed = _packed(sets, None)
    most = max((len(each.ids) for each in sets), default=0)
    while (size := sum(map(len, packed.blocks.values()))) > room and most > 50:
        most = max(50, int(most * room / size * 0.95))
        packed = _packed(sets, most)
    return packed


def _packed(sets: Sequence[SampleSet], most: int | None) -> Packed:
    told: list[dict[str, Any]] = []
    blocks: dict[str, str] = {}
    for number, each in enumerate(sets):
        count = len(each.ids[:most])
        for name, value in _blocks(each, most):
            blocks[f"{number}-{name}"] = block(value)
        told.append(
            {
                "name": each.name,
                "source": {
                    "lang": _bcp47(each.source_lang),
                    "dir": each.direction(each.source_lang),
                },
                "target": {
                    "lang": _bcp47(each.target_lang),
                    "dir": each.direction(each.target_lang),
                },
                "shown": count,
                "all": len(each.ids),
                "runs": list(each.hypotheses),
            }
        )
    return Packed(told, blocks)


def _blocks(each: SampleSet, most: int | None) -> Iterator[tuple[str, object]]:
    yield "texts", [list(part[:most]) for part in (each.ids, each.sources, each.references)]
    yield "scores", {run: [round(10 * v) for v in row[:most]] for run, row in each.scores.items()}
    for run, texts in each.hypotheses.items():
        yield run, list(texts[:most])


def block(value: object) -> str:
    """JSON, gzip, base64."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=6, mtime=0)).decode()


def _bcp47(code: str) -> str:
    """FLORES-200 code as HTML's ``lang`` wants it: ``tam_Taml`` is ``tam-Taml``."""
    return code.replace("_", "-")
