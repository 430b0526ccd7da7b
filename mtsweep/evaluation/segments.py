"""Segment statistics: what any two runs are compared by, without decoding or counting again.

A corpus score is a function of sums over segments (n-gram matches and totals, lengths); these sums
are taken over resampled segments, and ``formulas.corpus`` makes scores of them.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mtsweep.errors import UserError
from mtsweep.evaluation.formulas import corpus
from mtsweep.evaluation.metrics import sacre_metric
from mtsweep.record import write

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["corpus", "counted", "of_run"]


def counted(
    name: str, hypotheses: Sequence[str], references: Sequence[str], target_lang: str
) -> Array:
    """Statistics of a metric, segments x statistics.

    Raises:
        ValueError: if the lists differ in length.
    """
    import numpy as np

    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses for {len(references)} references")
    metric = sacre_metric(name, target_lang)
    told = metric._extract_corpus_statistics(list(hypotheses), [list(references)])  # noqa: SLF001
    return np.array(told, dtype=np.float64)


def of_run(folder: Path, names: Sequence[str], target_lang: str, test_set: str) -> dict[str, Array]:
    """Statistics of a finished run by metric; counted from its predictions once, then kept.

    Raises:
        UserError: if its predictions are gone or not whole.
    """
    path = folder / "segments" / f"{test_set}.npz"
    kept = _read(path)
    if all(name in kept for name in names):
        return {name: kept[name] for name in names}
    hypotheses, references = _predictions(folder / "predictions" / f"{test_set}.jsonl")
    made = {name: counted(name, hypotheses, references, target_lang) for name in names}
    _write(path, {**kept, **made}, target_lang)
    return made


def _predictions(path: Path) -> tuple[list[str], list[str]]:
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        return [row["hypothesis"] for row in rows], [row["reference"] for row in rows]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path}: no whole predictions there ({type(error).__name__}), so the run cannot be "
            "compared; remove its folder to run it again"
        ) from error


def _read(path: Path) -> dict[str, Array]:
    import numpy as np

    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files if name != "signatures"}
    except (OSError, ValueError, zipfile.BadZipFile):
        return {}  # not there yet, or cut off: counted again


def _write(path: Path, arrays: dict[str, Array], target_lang: str) -> None:
    """Keep statistics, in one step; a folder that cannot be written to keeps none."""
    import numpy as np

    signatures = {name: _signature(name, target_lang) for name in arrays}
    packed = io.BytesIO()
    np.savez_compressed(
        packed, allow_pickle=False, signatures=np.array(json.dumps(signatures)), **arrays
    )
    try:
        path.parent.mkdir(exist_ok=True)
        write(path, packed.getvalue())
    except OSError:
        return  # another comparison counts again


def _signature(name: str, target_lang: str) -> str:
    metric = sacre_metric(name, target_lang)
    metric.num_refs = 1
    return str(metric.get_signature())
