"""Scores with signatures and intervals, from what is counted of each segment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mtsweep.evaluation.formulas import corpus
from mtsweep.measures import counter
from mtsweep.measures.tokens import AUTO
from mtsweep.scores import Score, direction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_RESAMPLES = 1000
_SEED = 12345
_CELLS = 1 << 20
"""Resamples x segments that are held at once."""


def score(
    hypotheses: Sequence[str],
    references: Sequence[str],
    target_lang: str,
    metrics: Sequence[str],
    tokenizer: str = AUTO,
) -> dict[str, Score]:
    """Corpus scores, each with its signature and a 95 % bootstrap interval (Koehn 2004).

    Args:
        hypotheses: What was said.
        references: What was wanted, one each.
        target_lang: FLORES-200 code.
        metrics: Their names; ``comet`` is left out, being scored after all runs.
        tokenizer: Of BLEU, by sacreBLEU's name.

    Raises:
        ValueError: if the lists differ in length (sacreBLEU would score the shorter).
    """
    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses for {len(references)} references")
    counters = {name: counter(name, target_lang, tokenizer) for name in metrics if name != "comet"}
    return {
        name: of_statistics(name, each.statistics(hypotheses, references), each.signature)
        for name, each in counters.items()
    }


def of_statistics(name: str, statistics: Array, signature: str) -> Score:
    """The score that segments come to.

    Args:
        name: Of the metric.
        statistics: Segments x statistics.
        signature: Of the metric.
    """
    low, high = _interval(name, statistics)
    return Score(
        value=float(corpus(name, statistics.sum(axis=0))),
        signature=signature,
        low=low,
        high=high,
        direction=direction(name),
        segments=len(statistics),
    )


def _interval(name: str, statistics: Array) -> tuple[float, float]:
    """95 % percentile interval over resampled segments (Koehn 2004).

    sacreBLEU's own ``n_bootstrap`` fails when a resample scores exactly 0 (it mixes float types).
    """
    import numpy as np

    generator, count = np.random.default_rng(_SEED), len(statistics)
    rows = max(1, _CELLS // count)
    sums = []
    for start in range(0, _RESAMPLES, rows):
        shape = min(rows, _RESAMPLES - start), count
        places = generator.integers(count, size=shape) + np.arange(shape[0])[:, None] * count
        # resamples x segments: how often each segment was drawn
        drawn = np.bincount(places.ravel(), minlength=places.size).reshape(shape)
        sums.append(drawn.astype(float) @ statistics)
    low, high = np.percentile(corpus(name, np.concatenate(sums)), [2.5, 97.5])
    return float(low), float(high)
