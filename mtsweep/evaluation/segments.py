"""Segment statistics: what any two runs are compared by, without decoding or counting again.

A corpus score is a function of sums over segments (n-gram matches and totals, lengths); these sums
are taken over resampled segments, and ``formulas.corpus`` makes scores of them.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtsweep.errors import UserError
from mtsweep.evaluation.formulas import corpus
from mtsweep.evaluation.metrics import of_statistics
from mtsweep.measures import counter, refusal
from mtsweep.measures.tokens import AUTO
from mtsweep.record import write
from mtsweep.scores import LABELS, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["Counted", "corpus", "count", "counted", "kept", "of_run", "rows"]

Row = Mapping[str, Any]
"""A line of ``predictions/<test set>.jsonl``."""
_FACTS = "signatures"
"""Name of what stands beside the arrays in a file: JSON."""


@dataclass(frozen=True)
class Counted:
    """What was counted of a test set."""

    statistics: Mapping[str, Array]
    """Metric to segments x statistics."""
    signatures: Mapping[str, str]

    def scores(self, places: Sequence[int] | None = None) -> dict[str, Score]:
        """Scores of the whole test set, or of the segments at some places."""
        chosen = slice(None) if places is None else list(places)
        return {
            name: of_statistics(name, each[chosen], self.signatures[name])
            for name, each in self.statistics.items()
        }

    def keep(self, folder: Path, test_set: str) -> None:
        """Write it into the folder of a run, in one step, beside what is kept there already.

        A folder that cannot be written to keeps none: another comparison counts again.
        """
        import numpy as np

        path = _path(folder, test_set)
        before = kept(folder, test_set)
        signatures = {**before.signatures, **self.signatures}
        packed = io.BytesIO()
        np.savez_compressed(
            packed,
            allow_pickle=False,
            **{_FACTS: np.array(json.dumps(signatures))},
            **{**before.statistics, **self.statistics},
        )
        try:
            path.parent.mkdir(exist_ok=True)
            write(path, packed.getvalue())
        except OSError:
            return


def count(
    predictions: Sequence[Row], target_lang: str, names: Sequence[str], tokenizer: str = AUTO
) -> Counted:
    """Count metrics over predictions, each row by the rules of its own target language.

    Args:
        predictions: With ``hypothesis``, ``reference`` and, where a test set has several language
            pairs, ``languages``.
        target_lang: Of rows that name no languages.
        names: Of metrics; ``comet`` is left out.
        tokenizer: Of BLEU.
    """
    import numpy as np

    places: dict[str, list[int]] = {}
    for place, row in enumerate(predictions):
        places.setdefault(row.get("languages", ("", target_lang))[1], []).append(place)
    statistics, signatures = {}, {}
    for name in (each for each in names if each != "comet"):
        told, made = {}, {}
        for language, where in places.items():
            each = counter(name, language, tokenizer)
            told[each.signature] = None
            hypotheses = [predictions[place]["hypothesis"] for place in where]
            references = [predictions[place]["reference"] for place in where]
            made.update(zip(where, each.statistics(hypotheses, references), strict=True))
        statistics[name] = np.array([made[place] for place in range(len(predictions))])
        signatures[name] = " & ".join(told)
    return Counted(statistics, signatures)


def counted(
    name: str,
    hypotheses: Sequence[str],
    references: Sequence[str],
    target_lang: str,
    tokenizer: str = AUTO,
) -> Array:
    """Statistics of a metric, segments x statistics.

    Raises:
        ValueError: if the lists differ in length.
    """
    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses for {len(references)} references")
    return counter(name, target_lang, tokenizer).statistics(hypotheses, references)


def of_run(
    folder: Path,
    names: Sequence[str],
    target_lang: str,
    test_set: str,
    tokenizer: str = AUTO,
) -> Counted:
    """Statistics of a finished run; counted from its predictions once, then kept.

    Raises:
        UserError: if its predictions are gone or not whole, or a metric cannot be counted here.
    """
    there = kept(folder, test_set)
    missing = [name for name in names if name not in there.statistics]
    if missing:
        for name in missing:
            if told := _impossible(name, target_lang, tokenizer):
                raise UserError(f"{folder}: {LABELS[name]} is not counted there: {told}")
        made = count(rows(folder, test_set), target_lang, missing, tokenizer)
        made.keep(folder, test_set)
        there = Counted(
            {**there.statistics, **made.statistics}, {**there.signatures, **made.signatures}
        )
    return Counted(
        {name: there.statistics[name] for name in names},
        {name: there.signatures.get(name, "") for name in names},
    )


def _impossible(name: str, target_lang: str, tokenizer: str) -> str | None:
    if name == "comet":
        return "it is scored by python -m mtsweep comet, or with evaluation.metrics=[…,comet]"
    return refusal(name, target_lang, tokenizer)


def rows(folder: Path, test_set: str) -> list[dict[str, Any]]:
    """The predictions of a run.

    Raises:
        UserError: if they are gone or not whole.
    """
    path = folder / "predictions" / f"{test_set}.jsonl"
    try:
        told = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
        _ = [(row["hypothesis"], row["reference"]) for row in told]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: no whole predictions there ({type(error).__name__}), so the run cannot be "
            "compared; remove its folder to run it again"
        ) from error
    return told


def places(predictions: Sequence[Row], languages: tuple[str, str], part: str) -> list[int]:
    """Where the rows of a part stand: of one origin, or of one language pair.

    Args:
        predictions: Of the whole test set.
        languages: Of rows that name none.
        part: An origin, or two codes joined by ``-``.
    """
    return [
        place
        for place, row in enumerate(predictions)
        if part in (row.get("origin"), "-".join(row.get("languages", languages)))
    ]


def references(folder: Path, test_set: str) -> str:
    """What tells one test set from another: a digest of its references."""
    wanted = [row["reference"] for row in rows(folder, test_set)]
    return hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:12]


def kept(folder: Path, test_set: str) -> Counted:
    """What is kept in the folder of a run; nothing where it is not there yet, or cut off."""
    import numpy as np

    try:
        path = _path(folder, test_set)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files if name != _FACTS}
            return Counted(arrays, json.loads(str(stored[_FACTS])))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return Counted({}, {})


def _path(folder: Path, test_set: str) -> Path:
    return folder / "segments" / f"{test_set}.npz"
