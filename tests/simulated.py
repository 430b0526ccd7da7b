"""Systems made up from chance: statistics of chrF with hard and easy segments."""

from __future__ import annotations

import numpy as np

QUALITY = 0.45


def system(rng, difficulty, quality=QUALITY):
    """Statistics of one system, segments x 18; ``difficulty`` is shared by systems."""
    segments = len(difficulty)
    wanted = 20 + rng.poisson(20, size=segments)[:, None] - np.arange(6)
    said = np.maximum(wanted + rng.integers(-6, 7, size=(segments, 1)), 1)
    own = rng.normal(0, 0.12, size=segments)
    share = np.clip(quality + difficulty + own, 0.02, 0.98)[:, None] ** np.arange(1, 7)
    matches = rng.binomial(np.minimum(said, wanted), share)
    return np.stack([said, wanted, matches], axis=2).reshape(segments, 18).astype(float)


def sweep(rng, qualities, segments=200, seeds=1, seed_effect=0.0):
    """Per setting the statistics of its seeds, over one test set."""
    difficulty = rng.normal(0, 0.15, size=segments)
    return [
        [system(rng, difficulty, each + rng.normal(0, seed_effect)) for _ in range(seeds)]
        for each in qualities
    ]
