"""A sweep's folder with its runs, made up: what a report reads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from mtsweep.evaluation import segments
from mtsweep.record import Record, RunFolder
from mtsweep.scores import Score
from mtsweep.table import Row, as_csv
from tests.overrides import config
from tests.records import record, score

HOSTILE = (
    "</script><script>document.title='taken'</script> <img src=x onerror=alert(1)> {{7*7}} $x$"
)


def sweep(
    root: Path,
    runs: Sequence[tuple[str, Sequence[str]]],
    sources: Sequence[str],
    references: Sequence[str],
    target_lang: str = "spa_Latn",
    failed: str = "",
) -> Path:
    """Write a sweep; each run is a rank and its outputs, and the first is the base row."""
    rows = []
    base: dict[str, Score] = {}
    counted: dict[tuple[str, ...], Path] = {}
    for number, (label, outputs) in enumerate(runs):
        kind = "run" if number else "base"
        folder = RunFolder(root / "runs" / f"{number:012x}")
        folder.start("")
        if number:
            for step in range(1, 11):
                folder.log_metrics(
                    step, {"loss": 3.0 / step, "learning_rate": 1e-3 * (1 - step / 10)}
                )
            folder.log_metrics(10, {"eval_loss": 2.5})
        folder.write_predictions(
            "test",
            [
                {"id": f"s{index}", "source": s, "reference": r, "hypothesis": h, "stopped": True}
                for index, (s, r, h) in enumerate(zip(sources, references, outputs, strict=True))
            ],
        )
        if earlier := counted.get(tuple(outputs)):  # the same outputs are counted once
            shutil.copytree(earlier / "segments", folder.path / "segments")
        scores = _scores(folder.path, target_lang)
        counted[tuple(outputs)] = folder.path
        base = base or scores
        made = _record(folder.path.name, kind, label, scores, base, target_lang)
        folder.finish(made)
        rows.append(Row(label, made, "run" if number else "base"))
    if failed:
        rows.append(Row("lora.r=99", None, "run", failed))
    place = root / "sweeps" / "made"
    place.mkdir(parents=True)
    (place / "table.csv").write_text(as_csv(rows), encoding="utf-8")
    told = {"command": "python -m mtsweep -m lora.r=8,16", "runs": [row.label for row in rows]}
    (place / "sweep.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
    return place


def _scores(folder: Path, target_lang: str) -> dict[str, Score]:
    """Of the predictions, which are counted once, as a run does."""
    counted = segments.of_run(folder, ("bleu", "chrf"), target_lang, "test").statistics
    sums = {name: each.sum(axis=0) for name, each in counted.items()}
    return {name: score(float(segments.corpus(name, each))) for name, each in sums.items()}


def _record(  # noqa: PLR0913
    run_id: str, kind: str, label: str, scores: dict[str, Score], base: dict[str, Score],
    target_lang: str,
) -> Record:  # fmt: skip
    rank = int(label.rpartition("=")[2]) if label.rpartition("=")[2].isdigit() else 8
    made = config({"lora.r": rank, "data.target_lang": target_lang}).model_dump(mode="json")
    return record(
        run_id, kind, config=json.loads(json.dumps(made)),
        scores=scores, base_scores=base,
        data={"fingerprint": "f00d", "test_fingerprint": "beef", "train": 90, "dev": 5,
              "test": 100, "dropped": {"empty": 3}},
    )  # fmt: skip


def small(root: Path, **changes) -> Path:
    """Two runs and their base on four segments, one of them hostile."""
    sources = ["The cat sleeps.", "A dog barks.", HOSTILE, "Rain falls."]
    references = ["El gato duerme.", "Un perro ladra.", HOSTILE, "Llueve."]
    runs = [
        ("base", ["The cat.", "A dog.", "", "Rain."]),
        ("lora.r=8", ["El gato come.", "Un perro ladra.", HOSTILE, "Nieva."]),
        ("lora.r=16", ["El gato duerme.", "Perro.", "nada", "Llueve mucho."]),
    ]
    return sweep(root, runs, sources, references, **changes)
