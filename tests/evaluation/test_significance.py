"""Tests of differences: against sacreBLEU, against tables, and on systems made up from chance."""

from __future__ import annotations

import random
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.significance import PairedTest
from scipy import stats

from mtsweep.evaluation import segments, significance
from mtsweep.measures.counters import sacre_metric
from tests.simulated import QUALITY, sweep


def _texts():
    chance = random.Random(1)  # noqa: S311
    words = ["".join(chance.choices("abcdefgh", k=chance.randint(1, 6))) for _ in range(60)]
    references = [" ".join(chance.choices(words, k=chance.randint(2, 12))) for _ in range(80)]

    def spoilt(share):
        return [
            " ".join(w if chance.random() > share else chance.choice(words) for w in text.split())
            for text in references
        ]

    return references, [spoilt(0.3), spoilt(0.32), spoilt(0.34), spoilt(0.5)]


@pytest.mark.parametrize("name", ["bleu", "chrf", "chrf++", "ter"])
@pytest.mark.parametrize("kind", ["bs", "ar"])
def test_p_values_are_sacrebleus_on_its_seed(name, kind, monkeypatch):
    monkeypatch.delenv("SACREBLEU_SEED", raising=False)
    references, systems = _texts()
    named: Any = [(str(index), texts) for index, texts in enumerate(systems)]
    golden: Any
    _, golden = PairedTest(
        named, {name: sacre_metric(name, "spa_Latn")}, [references], kind, n_samples=500
    )()
    results = next(value for key, value in golden.items() if key != "System")[1:]
    statistics = [segments.counted(name, texts, references, "spa_Latn") for texts in systems]
    values = significance.whole(statistics, name)
    if kind == "bs":
        drawn = significance.resampled(statistics, name, 500)
        ours = [
            significance.paired_bootstrap(drawn[0], drawn[index], values[0] - values[index])
            for index in (1, 2, 3)
        ]
    else:
        ours = significance.randomised(statistics, name, [(0, 1), (0, 2), (0, 3)], 500)
    assert ours == pytest.approx([each.p_value for each in results], abs=1e-12)
    assert values[1:] == pytest.approx([each.score for each in results])


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
def test_the_order_of_segments_changes_no_score_and_an_error_by_chance_alone(seed):
    """A seed draws places, as sacreBLEU's does: the same segments elsewhere are other draws."""
    references, systems = _texts()
    statistics = [segments.counted("chrf", texts, references, "spa_Latn") for texts in systems]
    order = np.random.default_rng(seed).permutation(len(references))
    moved = [each[order] for each in statistics]
    whole = significance.whole(statistics, "chrf")
    assert significance.whole(moved, "chrf") == pytest.approx(whole, abs=1e-9)
    drawn, again = (significance.resampled(each, "chrf") for each in (statistics, moved))
    for one, other in combinations(range(len(systems)), 2):
        there, here = (
            significance.spread(each[other] - each[one], len(references)) for each in (drawn, again)
        )
        assert here.freedom == pytest.approx(there.freedom)
        # 1,000 resamples know a standard deviation to 2.2 %: this is five times as much, of two.
        assert here.error == pytest.approx(there.error, rel=5 * 0.022 * 2**0.5)


def test_holm_corrects_as_by_hand():
    assert significance.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert significance.holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_correction_never_lowers_a_p_value_nor_changes_their_order(p_values):
    adjusted = significance.holm(p_values)
    assert all(new >= old for new, old in zip(adjusted, p_values, strict=True))
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    assert [adjusted[index] for index in order] == sorted(adjusted)


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.7062), (2, 4.30265), (10, 2.22814), (1e9, 1.95996)]
)
def test_quantiles_of_t_are_those_of_the_tables(freedom, quantile):
    assert significance.t_quantile(0.975, freedom) == pytest.approx(quantile, rel=1e-5)
    assert significance.t_tail(quantile, freedom) == pytest.approx(0.025, rel=1e-4)


def test_identical_systems_are_tied_for_certain():
    one = sweep(np.random.default_rng(0), [QUALITY])[0][0]
    drawn = significance.resampled([one, one], "chrf")
    known = significance.spread(drawn[0] - drawn[1], len(one))
    assert significance.two_sided(drawn[0] - drawn[1], 0.0, known) == 1.0


def test_a_shuffled_copy_loses():
    references, (good, *_) = _texts()
    shuffled = good[1:] + good[:1]
    statistics = [
        segments.counted("chrf", texts, references, "spa_Latn") for texts in (good, shuffled)
    ]
    values, drawn = (
        significance.whole(statistics, "chrf"),
        significance.resampled(statistics, "chrf"),
    )
    assert values[0] > values[1]
    known = significance.spread(drawn[0] - drawn[1], len(references))
    assert significance.two_sided(drawn[0] - drawn[1], values[0] - values[1], known) < 0.001


def test_an_interval_holds_the_score_as_often_as_it_says():
    rng = np.random.default_rng(3)
    truth = significance.whole([sweep(rng, [QUALITY], segments=40_000)[0][0]], "chrf")[0]
    held = 0
    for _ in range(300):
        one = sweep(rng, [QUALITY], segments=150)[0]
        low, high = significance.interval(significance.resampled(one, "chrf", 500)[0])
        held += low <= truth <= high
    assert 0.91 <= held / 300 <= 0.98


def claims(settings):
    """Holm-corrected p-values of all pairs of settings, and the median spread of differences."""
    flat = [each for seeds in settings for each in seeds]
    seeds = len(settings[0])
    values = significance.whole(flat, "chrf").reshape(len(settings), seeds)
    draws = significance.resampled(flat, "chrf").reshape(len(settings), seeds, -1).mean(axis=1)
    between, freedom = significance.seed_spread({str(i): list(v) for i, v in enumerate(values)})
    error = between * (2 / seeds) ** 0.5
    mean = values.mean(axis=1)
    pairs = list(combinations(range(len(settings)), 2))
    spreads = [
        significance.spread(draws[b] - draws[a], len(flat[0]), error, freedom) for a, b in pairs
    ]
    p_values = [
        significance.two_sided(draws[b] - draws[a], mean[b] - mean[a], spread)
        for (a, b), spread in zip(pairs, spreads, strict=True)
    ]
    alike = [
        significance.alike(spread, mean[b] - mean[a], len(flat[0]))
        for (a, b), spread in zip(pairs, spreads, strict=True)
    ]
    middle = sorted(alike, key=lambda spread: spread.error)[len(alike) // 2]
    return dict(zip(pairs, significance.holm(p_values), strict=True)), middle


@pytest.mark.parametrize(("seeds", "effect"), [(1, 0.0), (3, 0.02)])
def test_sweeps_without_a_true_difference_seldom_claim_one(seeds, effect):
    rng = np.random.default_rng(7)
    told = [
        min(claims(sweep(rng, [QUALITY] * 8, 200, seeds, effect))[0].values()) < 0.05
        for _ in range(100)
    ]
    assert sum(told) <= 9  # 5 in the mean; of 5,000 sweeps as bad as allowed, 97 % pass


def test_a_true_difference_of_the_detectable_size_is_found():
    rng = np.random.default_rng(8)
    spread = sorted(
        (claims(sweep(rng, [QUALITY] * 8))[1] for _ in range(10)), key=lambda s: s.error
    )
    size = significance.detectable(spread[5], 28, 200)
    better = quality_for(size)
    found = [claims(sweep(rng, [QUALITY] * 7 + [better]))[0][0, 7] < 0.05 for _ in range(100)]
    assert sum(found) >= 73  # 80 at least in the mean


def quality_for(size):
    """The quality whose true score is better than ``QUALITY``'s by ``size`` chrF."""
    value = lambda q: significance.whole(  # noqa: E731
        sweep(np.random.default_rng(5), [q], segments=40_000)[0], "chrf"
    )[0]
    low, high, start = QUALITY, QUALITY + 0.3, value(QUALITY)
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if value(middle) - start < size else (low, middle)
    return (low + high) / 2


@given(st.floats(0.01, 12), st.floats(1, 500))
def test_tails_and_quantiles_of_t_are_scipys(value, freedom):
    tail = significance.t_tail(value, freedom)
    assert tail == pytest.approx(stats.t.sf(value, freedom), rel=1e-6, abs=1e-14)
    level = 0.5 + value / 25
    assert significance.t_quantile(level, freedom) == pytest.approx(
        stats.t.ppf(level, freedom), rel=1e-6, abs=1e-9
    )


def test_intervals_of_a_mean_are_scipys_bootstrap():
    scores = np.random.default_rng(6).beta(2, 3, size=150)
    counted = np.stack([scores, np.ones(150)], axis=1)
    low, high = significance.interval(significance.resampled([counted], "rouge", 5000)[0])
    golden = stats.bootstrap(
        (100 * scores,), np.mean, n_resamples=5000, method="percentile", rng=1
    ).confidence_interval
    width = golden.high - golden.low
    assert low == pytest.approx(golden.low, abs=0.05 * width)
    assert high == pytest.approx(golden.high, abs=0.05 * width)


def test_a_difference_of_means_has_the_p_value_of_a_paired_t_test():
    rng = np.random.default_rng(6)
    one = rng.beta(2, 3, size=150)
    other = np.clip(one + rng.normal(0.02, 0.1, size=150), 0, 1)
    counted = [np.stack([each, np.ones(150)], axis=1) for each in (one, other)]
    drawn = significance.resampled(counted, "rouge", 10_000)
    values = significance.whole(counted, "rouge")
    known = significance.spread(drawn[1] - drawn[0], 150)
    ours = significance.two_sided(drawn[1] - drawn[0], values[1] - values[0], known)
    assert ours == pytest.approx(stats.ttest_rel(one, other).pvalue, rel=0.15)
