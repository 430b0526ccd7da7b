"""Curves, grids and shares of settings whose effects are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtsweep.compare.ablation import ablate
from mtsweep.compare.effects import effects
from mtsweep.compare.fit import fitted
from mtsweep.compare.settings import Setting
from mtsweep.record import RunFolder
from tests.overrides import config
from tests.records import record


def setting(tmp_path, number, changes, cost=None, kind="run"):
    made = record(f"{number:012}", kind, config=config(changes).model_dump(mode="json"))
    if cost is not None:
        made = made.model_copy(
            update={"cost": made.cost.model_copy(update={"seconds_train": cost})}
        )
    return Setting(((RunFolder(tmp_path / made.id), made),))


def ablated(members, scores, noise=0.3, axes=("lora.r",), higher=True):
    rng = np.random.default_rng(4)
    values = dict(zip((each.key for each in members), scores, strict=True))
    moved = {key: value + rng.normal(0, noise, size=800) for key, value in values.items()}
    return ablate("chrf", members, axes, values, moved, higher=higher)


def noise(count, size=0.2, resamples=1000):
    return list(np.random.default_rng(2).normal(0, size, size=(count, resamples)))


def test_what_twice_as_much_brings_is_found_where_scores_follow_the_logarithm():
    xs = [100, 200, 400]
    values = [20 + 3 * np.log2(x / 100) for x in xs]
    fit = fitted(xs, values, [v + n for v, n in zip(values, noise(3), strict=True)])
    assert fit.doubling.value == pytest.approx(3)
    assert fit.doubled.value == pytest.approx(3)
    assert fit.doubled.low < 3 < fit.doubled.high
    assert fit.bend == 0
    assert fit.misfit == pytest.approx(0, abs=1e-9)
    assert fit.band[0][0] == 100
    assert fit.band[-1][0] == pytest.approx(800)


def test_a_curve_that_levels_off_promises_less():
    xs = [100, 200, 400, 800, 1600]
    values = [40 - 20 * (x / 100) ** -0.7 for x in xs]
    fit = fitted(xs, values, [v + n for v, n in zip(values, noise(5), strict=True)])
    assert fit.bend == pytest.approx(0.7)
    assert fit.doubled.value == pytest.approx(20 * (16**-0.7 - 32**-0.7))
    assert fit.doubled.value < fit.doubling.value


def test_an_interval_of_twice_the_data_holds_what_it_brings_as_often_as_it_says():
    rng = np.random.default_rng(3)
    xs, held = [100, 200, 400, 800], 0
    truth = [20 + 2 * np.log2(x / 100) for x in xs]
    for _ in range(200):
        seen = [value + rng.normal(0, 0.5) for value in truth]
        moved = [value + rng.normal(0, 0.5, size=300) for value in seen]
        gain = fitted(xs, seen, moved).doubling
        held += gain.low <= 2 <= gain.high
    assert 0.90 <= held / 200 <= 0.99


def test_two_values_make_no_curve():
    assert fitted([1, 2], [1.0, 2.0], noise(2)) is None


def test_a_grid_of_two_axes_says_which_of_them_matters(tmp_path):
    members, scores = [], []
    for rank in (8, 16, 32):
        for size in (100, 200):
            changes = {"lora.r": rank, "data.size": size}
            members.append(setting(tmp_path, len(members), changes))
            scores.append(30 + 5 * (size == 200))
    told = ablated(members, scores, axes=("lora.r", "data.size"))
    (grid,) = told.grids
    assert (grid.across, grid.down) == ("lora.r", "data.size")
    assert (grid.columns, grid.lines) == ((8, 16, 32), (100, 200))
    assert grid.cells == ((30, 30, 30), (35, 35, 35))
    assert [share.axis for share in told.shares] == ["data.size", "lora.r"]
    size, rank = told.shares
    assert size.share == pytest.approx(1)
    assert size.p < 0.01
    assert rank.p > 0.5
    sentence = list(effects(told))[-1]
    assert "data.size 100 %" in sentence.replace("100%", "100 %")
    assert sentence.count("no more than chance") == 1


def test_missing_cells_stay_empty(tmp_path):
    cells = ((8, 100), (8, 200), (16, 100))
    members = [
        setting(tmp_path, number, {"lora.r": rank, "data.size": size})
        for number, (rank, size) in enumerate(cells)
    ]
    (grid,) = ablated(members, [1.0, 2.0, 3.0], axes=("lora.r", "data.size")).grids
    assert grid.cells == ((1.0, 3.0), (2.0, None))


def test_names_are_bars_in_their_order_and_numbers_a_line(tmp_path):
    names = [
        setting(tmp_path, n, {"prompt": each}) for n, each in enumerate(("translate", "brief"))
    ]
    (bars,) = ablated(names, [1.0, 2.0], axes=("prompt.name",)).curves
    assert not bars.numeric
    assert [point.x for point in bars.lines[0].points] == ["translate", "brief"]
    ranks = [setting(tmp_path, n, {"lora.r": rank}) for n, rank in enumerate((32, 2, 8))]
    (line,) = ablated(ranks, [3.0, 1.0, 2.0]).curves
    assert line.numeric
    assert line.log
    assert [point.x for point in line.lines[0].points] == [2, 8, 32]
    assert line.lines[0].fit.doubling.value == pytest.approx(0.5)


def test_all_pairs_there_are_count_as_their_number(tmp_path):
    members = [
        setting(tmp_path, 0, {"data.size": 100}),
        setting(tmp_path, 1, {"data.size": 200}),
        setting(tmp_path, 2, {"data.size": None}),
    ]
    members[2].record.data["train"] = 480
    (curve,) = ablated(members, [1.0, 2.0, 3.0], axes=("data.size",)).curves
    assert [point.x for point in curve.lines[0].points] == [100, 200, 480]


def test_what_costs_more_and_scores_less_is_not_on_the_front(tmp_path):
    rows = ((10, 30.0), (20, 35.0), (30, 33.0), (40, 36.0))
    members = [setting(tmp_path, n, {"lora.r": 2**n}, cost) for n, (cost, _) in enumerate(rows)]
    scores = [score for _, score in rows]
    spent = ablated(members, scores).costs["seconds_train"]
    assert [each.front for each in spent] == [True, True, False, True]
    spent = ablated(members, scores, higher=False).costs["seconds_train"]
    assert [each.front for each in spent] == [True, False, False, False]


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(6)))
def test_the_order_of_settings_changes_no_share(order):
    members, scores = [], [3.0, 1.0, 4.0, 1.5, 9.0, 2.6]
    for rank in (8, 16, 32):
        for size in (100, 200):
            made = record(
                f"{len(members):012}",
                config={"lora": {"r": rank}, "data": {"size": size}},
            )
            members.append(Setting(((RunFolder(None), made),)))
    values = {each.key: score for each, score in zip(members, scores, strict=True)}
    rng = np.random.default_rng(4)
    moved = {key: value + rng.normal(0, 1, size=50) for key, value in values.items()}
    axes = ("lora.r", "data.size")
    one = ablate("chrf", members, axes, values, moved, higher=True)
    mixed = [members[place] for place in order]
    other = ablate("chrf", mixed, axes, values, moved, higher=True)
    assert [(s.axis, pytest.approx(s.share), s.p) for s in one.shares] == [
        (s.axis, s.share, s.p) for s in other.shares
    ]
    assert one.grids[0].cells == other.grids[0].cells
