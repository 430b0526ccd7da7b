"""What people say of translations: blind sheets, and what filled-in sheets come to.

A sheet names no run; the key that does stays with whoever made it. Scores run from 1 to 5 for
adequacy and for fluency; in pairs, a rater prefers one of two outputs or neither.
"""

from __future__ import annotations

import csv
import io
import math
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from mtsweep.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind = Literal["scores", "pairs"]
SCALES = ("adequacy", "fluency")
_CHOICES = ("A", "B", "TIE")
_COLUMNS: dict[Kind, tuple[str, ...]] = {
    "scores": ("item", "source", "reference", "output", *SCALES),
    "pairs": ("item", "source", "reference", "A", "B", "preference"),
}
_RESAMPLES = 2000


@dataclass(frozen=True)
class Output:
    """What one run made of one segment."""

    run: str
    """Run id."""
    segment: str
    source: str
    reference: str
    text: str


class Item(BaseModel):
    """One line of a sheet, in the key."""

    model_config = ConfigDict(frozen=True)

    segment: str
    runs: tuple[str, ...]
    """Of the output; of A and B in pairs."""


class Key(BaseModel):
    """What a blind sheet hides."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    labels: dict[str, str]
    """Run id to what people call it."""
    items: dict[str, Item]


class Mean(BaseModel):
    """Of one run on one scale."""

    run: str
    scale: str
    value: float
    low: float
    """Lower end of the 95 % bootstrap interval over segments."""
    high: float
    ratings: int


class Preference(BaseModel):
    """Two runs, by preferences; every segment has one voice, that of most raters."""

    first: str
    second: str
    first_better: int
    second_better: int
    equal: int
    p: float
    """Of the two-sided sign test, segments without a preference left out."""


class Result(BaseModel):
    """What filled-in sheets come to."""

    kind: Kind
    raters: list[str]
    segments: int
    means: list[Mean] = []
    preference: Preference | None = None
    alpha: dict[str, float | None] = {}
    """Krippendorff's alpha by scale; ``None`` where no item has two raters."""


def sheet(
    outputs: Mapping[str, Sequence[Output]], labels: Mapping[str, str], kind: Kind, seed: int
) -> tuple[list[dict[str, str]], Key]:
    """Lines of a blind sheet, shuffled, and its key.

    Args:
        outputs: By run id, the same segments in the same order.
        labels: By run id.
        kind: Scores for each output, or preferences between two runs.
        seed: Of the shuffling.

    Raises:
        UserError: if pairs are asked for with other than two runs.
    """
    if kind == "pairs" and len(outputs) != 2:
        raise UserError(
            f"--kind pairs: compares two runs, not {len(outputs)}; name them with --runs"
        )
    chance = random.Random(seed)
    rows = list(zip(*outputs.values(), strict=True))
    shown: list[tuple[Output, ...]] = []
    for row in rows:
        if kind == "pairs":
            shown.append(tuple(chance.sample(row, 2)))
        else:
            shown.extend((output,) for output in row)
    chance.shuffle(shown)
    lines, items = [], {}
    for number, group in enumerate(shown, 1):
        item = str(number)
        items[item] = Item(segment=group[0].segment, runs=tuple(each.run for each in group))
        texts = [each.text for each in group]
        filled = [item, group[0].source, group[0].reference, *texts]
        blank = [""] * (len(_COLUMNS[kind]) - len(filled))
        lines.append(dict(zip(_COLUMNS[kind], [*filled, *blank], strict=True)))
    return lines, Key(kind=kind, labels=dict(labels), items=items)


def as_csv(lines: Sequence[Mapping[str, str]], kind: Kind) -> str:
    """A sheet as CSV; a text that a spreadsheet would take for a formula gets a space before it."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS[kind], lineterminator="\n")
    writer.writeheader()
    for line in lines:
        writer.writerow({name: _no_formula(text) for name, text in line.items()})
    return out.getvalue()


def _no_formula(text: str) -> str:
    return f" {text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def read(text: str, key: Key, file: str) -> dict[str, dict[str, str]]:
    """Ratings of one rater by item; lines that are left blank are left out.

    Raises:
        UserError: naming file, line and remedy, for what is no rating of this sheet.
    """
    wanted = SCALES if key.kind == "scores" else ("preference",)
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    if missing := {"item", *wanted} - set(reader.fieldnames or ()):
        raise UserError(
            f"{file}: no column {', '.join(sorted(missing))}; is it a sheet of this kind?"
        )
    found: dict[str, dict[str, str]] = {}
    for number, line in enumerate(reader, 2):
        given = {name: (line[name] or "").strip() for name in wanted}
        item = (line["item"] or "").strip()
        if not any(given.values()):
            continue
        if item not in key.items:
            raise UserError(f"{file}, line {number}: item {item!r} is not in this sheet's key")
        if item in found:
            raise UserError(f"{file}, line {number}: item {item} is rated twice; keep one line")
        for name, value in given.items():
            given[name] = _rating(value, key.kind, f"{file}, line {number}, {name}")
        found[item] = given
    if not found:
        raise UserError(f"{file}: no line is rated")
    return found


def _rating(value: str, kind: Kind, where: str) -> str:
    if not value:
        return ""
    allowed = [*map(str, range(1, 6))] if kind == "scores" else list(_CHOICES)
    if value.upper() not in allowed:
        raise UserError(f"{where}: {value!r} is none of {' '.join(allowed)}")
    return value.upper()


def evaluate(key: Key, ratings: Mapping[str, Mapping[str, Mapping[str, str]]]) -> Result:
    """Means, preferences and agreement.

    Args:
        key: Of the sheet.
        ratings: Rater to item to scale to rating.
    """
    items = {item for own in ratings.values() for item in own}
    segments = len({key.items[item].segment for item in items})
    result = Result(kind=key.kind, raters=sorted(ratings), segments=segments)
    if key.kind == "pairs":
        codes = {choice: float(code) for code, choice in enumerate(_CHOICES)}
        table = _table(ratings, sorted(items), "preference", codes)
        return result.model_copy(
            update={
                "preference": _preference(key, ratings),
                "alpha": {"preference": alpha(table, "nominal")},
            }
        )
    codes = {str(score): float(score) for score in range(1, 6)}
    means = [_mean(key, ratings, run, scale) for run in key.labels for scale in SCALES]
    tables = {scale: _table(ratings, sorted(items), scale, codes) for scale in SCALES}
    return result.model_copy(
        update={
            "means": [mean for mean in means if mean is not None],
            "alpha": {scale: alpha(table, "ordinal") for scale, table in tables.items()},
        }
    )


def _table(
    ratings: Mapping[str, Mapping[str, Mapping[str, str]]],
    items: Sequence[str],
    scale: str,
    codes: Mapping[str, float],
) -> NDArray[np.float64]:
    import numpy as np

    rows = [
        [codes.get(own.get(item, {}).get(scale, ""), math.nan) for item in items]
        for own in ratings.values()
    ]
    return np.array(rows, dtype=float).reshape(len(rows), len(items))


def _mean(
    key: Key, ratings: Mapping[str, Mapping[str, Mapping[str, str]]], run: str, scale: str
) -> Mean | None:
    import numpy as np

    by_segment: defaultdict[str, list[float]] = defaultdict(list)
    for own in ratings.values():
        for item, given in own.items():
            if key.items[item].runs == (run,) and given[scale]:
                by_segment[key.items[item].segment].append(float(given[scale]))
    if not by_segment:
        return None
    means = np.array([sum(values) / len(values) for values in by_segment.values()])
    draws = np.random.default_rng(0).integers(len(means), size=(_RESAMPLES, len(means)))
    low, high = np.percentile(means[draws].mean(axis=1), [2.5, 97.5])
    count = sum(map(len, by_segment.values()))
    return Mean(run=run, scale=scale, value=float(means.mean()), low=float(low), high=float(high),
                ratings=count)  # fmt: skip


def _preference(key: Key, ratings: Mapping[str, Mapping[str, Mapping[str, str]]]) -> Preference:
    first, second = list(key.labels)
    voices: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for own in ratings.values():
        for item, given in own.items():
            sides: dict[str, str] = dict(zip(("A", "B"), key.items[item].runs, strict=True))
            voices[key.items[item].segment][sides.get(given["preference"], "")] += 1
    won = [votes[first] - votes[second] for votes in voices.values()]
    better, worse = sum(each > 0 for each in won), sum(each < 0 for each in won)
    return Preference(
        first=first, second=second, first_better=better, second_better=worse,
        equal=len(won) - better - worse, p=sign_test(better, worse),
    )  # fmt: skip


def sign_test(better: int, worse: int) -> float:
    """Two-sided p-value of the exact sign test; 1 where there is nothing to count."""
    count = better + worse
    tail = sum(math.comb(count, k) for k in range(min(better, worse) + 1))
    return min(1.0, 2 * tail / 2**count)


def alpha(
    table: NDArray[np.float64], level: Literal["nominal", "ordinal", "interval"]
) -> float | None:
    """Krippendorff's alpha (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability").

    Args:
        table: raters x items; NaN where a rater left an item out.
        level: Of measurement.

    Returns:
        At most 1; ``None`` where no item has two ratings. With one value alone it is 1.
    """
    import numpy as np

    values = np.unique(table[~np.isnan(table)])
    # values x items: how many raters gave an item that value
    counts = np.array([(table == value).sum(axis=0) for value in values]).reshape(len(values), -1)
    counts = counts[:, counts.sum(axis=0) > 1]
    if counts.size == 0:
        return None
    raters = counts.sum(axis=0)
    coincidences = (counts / (raters - 1)) @ counts.T - np.diag((counts / (raters - 1)).sum(axis=1))
    totals = coincidences.sum(axis=1)
    distance = _distance(values, totals, level)
    expected = float((np.outer(totals, totals) * distance).sum()) / (totals.sum() - 1)
    return 1.0 - float((coincidences * distance).sum()) / expected if expected > 0 else 1.0


def _distance(
    values: NDArray[np.float64], totals: NDArray[np.float64], level: str
) -> NDArray[np.float64]:
    """Squared differences between values, values x values."""
    import numpy as np

    if level == "nominal":
        return 1.0 - np.eye(len(values))
    # A rank lies in the middle of its ties, so differences of ranks are the sums between them.
    places = values if level == "interval" else np.cumsum(totals) - totals / 2
    return np.subtract.outer(places, places) ** 2
