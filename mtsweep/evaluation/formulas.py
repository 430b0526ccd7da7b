"""Formulas from sums to scores, for arrays: thousands of resamples in one step.

Tests hold them against sacreBLEU itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtsweep.scores import CHAT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_BETA = 2.0
_SMALLEST = 1e-300
_LARGEST = 700.0
"""Losses beyond it have no perplexity that a number could hold."""


def corpus(name: str, sums: Array) -> Array:
    """Corpus scores from summed statistics.

    Args:
        name: Of the metric.
        sums: ... x statistics.

    Returns:
        One score for each of the leading indices, on the metric's scale.
    """
    if name in CHAT:
        return _read(name, sums)
    return _FORMULAS[name](sums)


def _read(name: str, sums: Array) -> Array:
    """What a model makes of answers: ... x (loss, tokens, likeliest tokens)."""
    import numpy as np

    tokens = np.maximum(sums[..., 1], 1.0)
    if name == "mean_token_accuracy":
        return sums[..., 2] / tokens
    loss = sums[..., 0] / tokens
    return np.exp(np.minimum(loss, _LARGEST)) if name == "perplexity" else loss


def _bleu(sums: Array) -> Array:
    """BLEU with exponential smoothing, as ``BLEU.compute_bleu``."""
    import numpy as np

    # ... x (hypothesis length, reference length, 4 matches, 4 totals)
    said, wanted, correct, total = sums[..., 0], sums[..., 1], sums[..., 2:6], sums[..., 6:10]
    misses = np.cumsum(correct == 0, axis=-1)  # each order without a match halves once more
    top = np.where(correct == 0, 0.5**misses, correct)
    precision = 100.0 * top / np.maximum(total, 1.0)
    defined = (total > 0).all(axis=-1) & (correct > 0).any(axis=-1) & (said > 0)
    mean = np.exp(np.log(np.maximum(precision, _SMALLEST)).mean(axis=-1))
    brevity = np.exp(np.minimum(0.0, 1.0 - wanted / np.maximum(said, 1.0)))
    return np.where(defined, brevity * mean, 0.0)


def _chrf(sums: Array) -> Array:
    """ChrF with sacreBLEU's effective order, as ``CHRF._compute_f_score``."""
    import numpy as np

    said, wanted, matches = sums[..., 0::3], sums[..., 1::3], sums[..., 2::3]
    there = (said > 0) & (wanted > 0)
    orders = np.maximum(there.sum(axis=-1), 1)
    precision = np.where(there, matches / np.maximum(said, 1.0), 0.0).sum(axis=-1) / orders
    recall = np.where(there, matches / np.maximum(wanted, 1.0), 0.0).sum(axis=-1) / orders
    factor = _BETA**2
    below = factor * precision + recall
    return np.where(
        below > 0,
        100.0 * (1 + factor) * precision * recall / np.where(below > 0, below, 1.0),
        0.0,
    )


def _ter(sums: Array) -> Array:
    """Edits by words of the reference, as ``TER._compute_score_from_stats``."""
    import numpy as np

    edits, wanted = sums[..., 0], sums[..., 1]
    # Without any word in the references, any edit counts whole.
    rate = np.where(wanted > 0, edits / np.maximum(wanted, 1e-12), np.where(edits > 0, 1.0, 0.0))
    return 100.0 * rate


def _mean(sums: Array) -> Array:
    """Mean of segment scores between 0 and 1; ... x (their sum, their number)."""
    import numpy as np

    return 100.0 * sums[..., 0] / np.maximum(sums[..., 1], 1.0)


_FORMULAS = {
    "bleu": _bleu,
    "chrf": _chrf,
    "chrf++": _chrf,
    "ter": _ter,
    "rouge": _mean,
    "meteor": _mean,
    "comet": _mean,
}
