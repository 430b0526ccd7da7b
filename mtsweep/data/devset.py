"""The part of the dev set that may choose a step."""

from __future__ import annotations

from collections.abc import Sequence

from mtsweep.data.pairs import Corpus, Pair, fold
from mtsweep.errors import UserError


def without_test(corpus: Corpus) -> tuple[Pair, ...]:
    """The dev pairs whose source text is not in the test set, which has no say in a choice.

    Raises:
        UserError: if none is left.
    """
    tested = {fold(pair.source) for pair in corpus.test}
    kept = tuple(pair for pair in corpus.dev if fold(pair.source) not in tested)
    if not kept:
        raise UserError(
            "trainer.metric_for_best_model: every dev pair is in the test set, which must not "
            "choose; set data.dev_size or another data.dev_file"
        )
    return kept


def spread(pairs: Sequence[Pair], count: int) -> tuple[Pair, ...]:
    """At most ``count`` pairs, evenly out of all of them."""
    count = min(count, len(pairs))
    return tuple(pairs[place * len(pairs) // count] for place in range(count))
