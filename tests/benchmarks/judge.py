"""How long a judgement takes, and how often it errs: ``judge.py [study [SWEEPS [SEED]]]``."""

from __future__ import annotations

import resource
import sys
import time
from itertools import combinations
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from mtsweep.evaluation import significance
from tests.evaluation.test_significance import claims, quality_for
from tests.simulated import QUALITY, sweep

RUNS, SEGMENTS, RESAMPLES = 50, 2_000, 1_000


def speed():
    """All pairs of 50 runs x 2,000 segments x 1,000 resamples x 2 metrics: every p-value."""
    rng = np.random.default_rng(0)
    chrf = [each for (each,) in sweep(rng, [QUALITY] * RUNS, SEGMENTS)]
    # BLEU: lengths, 4 matches, 4 totals
    bleu = [
        np.concatenate([s[:, :2], s[:, 2:12:3] // 2, s[:, 0:12:3]], axis=1).astype(float)
        for s in chrf
    ]
    started, pairs = time.perf_counter(), list(combinations(range(RUNS), 2))
    for name, statistics in (("chrf", chrf), ("bleu", bleu)):
        values = significance.whole(statistics, name)
        drawn = significance.resampled(statistics, name, RESAMPLES)
        for each in drawn:
            significance.interval(each)
        told = []
        for a, b in pairs:
            moved = drawn[b] - drawn[a]
            significance.interval(moved)
            significance.paired_bootstrap(drawn[a], drawn[b], values[b] - values[a])
            known = significance.spread(moved, SEGMENTS)
            told.append(significance.two_sided(moved, values[b] - values[a], known))
        significance.holm(told)
        significance.randomised(statistics, name, pairs, RESAMPLES)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{len(pairs)} pairs, 2 metrics: {seconds:.1f} s, {peak:.2f} GiB at most")


def study(sweeps, seed):
    """Simulated sweeps of 8 runs with 200 segments; one line each of false and of true claims."""
    for seeds, effect in ((1, 0.0), (3, 0.02)):
        rng = np.random.default_rng([seed, seeds])
        false = sum(
            min(claims(sweep(rng, [QUALITY] * 8, 200, seeds, effect))[0].values()) < 0.05
            for _ in range(sweeps)
        )
        print(f"no true difference, {seeds} seed(s): {false} of {sweeps} sweeps claim one")
    for seeds, effect in ((1, 0.0), (3, 0.02)):
        rng = np.random.default_rng([seed, seeds, 8])
        made = [claims(sweep(rng, [QUALITY] * 8, 200, seeds, effect))[1] for _ in range(40)]
        known = sorted(made, key=lambda each: each.error)[20]
        size = significance.detectable(known, 28, 200)
        better = quality_for(size)
        found = sum(
            claims(sweep(rng, [QUALITY] * 7 + [better], 200, seeds, effect))[0][0, 7] < 0.05
            for _ in range(sweeps)
        )
        print(
            f"true difference of {size:.2f} chrF, {seeds} seed(s): found in {found} of {sweeps} "
            "sweeps"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["study"]:
        given = [int(each) for each in sys.argv[2:]]
        study(*(given + [500, 1][len(given) :]))
    else:
        speed()
