"""sacreBLEU's BLEU and chrF with signatures and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mtsweep.config import Metric
from mtsweep.evaluation.formulas import corpus
from mtsweep.scores import Score

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric as SacreMetric

_RESAMPLES = 1000
_SEED = 12345
_CELLS = 1 << 20
"""Resamples x segments that are held at once."""
_BLEU_TOKENIZERS = {"zho_Hans": "zh", "zho_Hant": "zh", "yue_Hant": "zh"}


def score(
    hypotheses: Sequence[str],
    references: Sequence[str],
    target_lang: str,
    metrics: Sequence[Metric],
) -> dict[str, Score]:
    """Corpus scores, each with its signature and a 95 % bootstrap interval (Koehn 2004).

    Raises:
        ValueError: if the lists differ in length (sacreBLEU would score the shorter).
    """
    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses for {len(references)} references")
    scores = {}
    for name in metrics:
        metric = sacre_metric(name, target_lang)
        result = metric.corpus_score(list(hypotheses), [list(references)])
        low, high = _interval(name, metric, hypotheses, references)
        scores[name] = Score(
            value=float(result.score),
            signature=str(metric.get_signature()),
            low=low,
            high=high,
            direction="higher",
            segments=len(references),
        )
    return scores


def _interval(
    name: Metric, metric: SacreMetric, hypotheses: Sequence[str], references: Sequence[str]
) -> tuple[float, float]:
    """95 % percentile interval over resampled segments (Koehn 2004), from sacreBLEU's statistics.

    sacreBLEU's own ``n_bootstrap`` fails when a resample scores exactly 0 (it mixes float types).
    """
    import numpy as np

    # segments x statistics: n-gram matches and totals, lengths
    statistics = np.array(metric._extract_corpus_statistics(hypotheses, [references]), float)
    generator, count = np.random.default_rng(_SEED), len(references)
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


def sacre_metric(name: str, target_lang: str) -> SacreMetric:
    """SacreBLEU's metric, with BLEU's tokenizer for the target language."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    if name == "chrf":
        return CHRF()
    return BLEU(tokenize=_BLEU_TOKENIZERS.get(target_lang, "13a"))
