"""Tokens of a run's texts, guessed from their characters."""

from __future__ import annotations

import math
from typing import NamedTuple

from mtsweep.config import RunConfig
from mtsweep.data.pairs import Corpus

_CHARACTERS_PER_TOKEN = 3.0
_PROMPT = 16


class Lengths(NamedTuple):
    """Tokens of a pair, its prompt included."""

    plain: float
    """Of one that is longer than three in four, without examples before it."""
    typical: float
    """The same with them."""
    longest: float
    """Of the longest: a batch is as long as its longest pair, and some batch has this one."""


def lengths(config: RunConfig, corpus: Corpus) -> Lengths:
    """Lengths under a configuration."""
    limit = config.trainer.max_length or math.inf
    shots = config.prompt.shots if config.model.kind == "causal" else 0
    plain, longest = (
        min(characters / _CHARACTERS_PER_TOKEN + _PROMPT, limit)
        for characters in (corpus.typical_length, corpus.greatest_length)
    )
    return Lengths(plain, min(plain * (1 + shots), limit), min(longest + plain * shots, limit))
