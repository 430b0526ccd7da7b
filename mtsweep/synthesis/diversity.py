"""How varied texts are: distinct n-grams, self-BLEU, lengths."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

_SAMPLE = 1000
_SELF_BLEU = 100
_BIN = 5


def sampled(there: int, others: int) -> list[int]:
    """Places of the texts to look at, out of ``there``.

    There are as many as ``others`` has too, since the figures change with the number of texts.
    """
    return random.Random(1).sample(range(there), min(there, others, _SAMPLE))


def diversity(sample: Sequence[str]) -> dict[str, Any]:
    """Figures of a sample of texts."""
    count = len(sample)
    words = [text.casefold().split() for text in sample]
    lengths = Counter(_BIN * (len(each) // _BIN) for each in words)
    return {
        "texts": count,
        "words": round(sum(map(len, words)) / max(1, count), 2),
        **{f"distinct_{size}": _distinct(words, size) for size in (1, 2, 3)},
        "self_bleu": _self_bleu(sample[:_SELF_BLEU]),
        "lengths": {f"{low}-{low + _BIN - 1} words": lengths[low] for low in sorted(lengths)},
    }


def _distinct(texts: Sequence[Sequence[str]], size: int) -> float:
    """Share of n-grams that are there once more, of all (Li et al. 2016)."""
    grams = [
        tuple(words[start : start + size])
        for words in texts
        for start in range(len(words) - size + 1)
    ]
    return round(len(set(grams)) / len(grams), 4) if grams else 0.0


def _self_bleu(texts: Sequence[str]) -> float | None:
    """Mean BLEU of each text against all others (Zhu et al. 2018); lower is more varied."""
    from sacrebleu.metrics.bleu import BLEU

    if len(texts) < 2:
        return None
    metric = BLEU(effective_order=True)
    scores = [
        metric.sentence_score(text, [*texts[:place], *texts[place + 1 :]]).score
        for place, text in enumerate(texts)
    ]
    return round(sum(scores) / len(scores), 2)
