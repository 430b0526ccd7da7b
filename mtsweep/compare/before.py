"""Before a sweep: how large a difference would have to be for this test set to show it."""

from __future__ import annotations

import math

from mtsweep.errors import UserError
from mtsweep.evaluation import segments, significance
from mtsweep.record import Record, RunFolder
from mtsweep.scores import CHAT, LABELS

_LEADS = "chrf"
_SHARED = 0.5
"""Correlation of two runs over the same segments, as long as no two runs are there."""


def foreseen(base: RunFolder, record: Record, rows: int) -> str:
    """What can be told from none, by the base row's segments, in a sentence.

    Args:
        base: Folder of the base row.
        record: Of the base row.
        rows: Settings that will be compared, base rows among them.

    Returns:
        Nothing where its predictions are gone, or where it says nothing at all.
    """
    name = _LEADS if _LEADS in record.scores else next(iter(record.scores))
    score = record.scores[name]
    if name in CHAT or score.segments < 2:
        return ""
    try:
        counted = segments.of_run(base.path, [name], record.config["data"]["target_lang"], "test")
    except UserError:
        return ""
    drawn = significance.resampled([counted.statistics[name]], name)[0]
    spread = math.sqrt(2 * (1 - _SHARED)) * float(drawn.std(ddof=1))
    if not spread:
        return ""
    known = significance.Spread(spread, score.segments - 1)
    pairs = max(1, rows * (rows - 1) // 2)
    size = significance.detectable(known, pairs, score.segments)
    compared = "one comparison" if pairs == 1 else f"{pairs} comparisons"
    return (
        f"with {score.segments} segments and {compared}, a true difference of about {size:.1f} "
        f"{LABELS[name]} would be found in 4 of 5 such sweeps, if tuned outputs vary as the "
        "untouched model's do; mostly they vary more"
    )
