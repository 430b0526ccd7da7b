from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtsweep import plan as plans
from mtsweep.estimate import Estimate
from mtsweep.plan import Group, Run
from mtsweep.sweep.board import Board
from tests.overrides import job


@pytest.fixture(scope="module")
def run() -> Run:
    return plans.identify(job({"model": "tiny_causal"}))


def groups(run: Run, sizes: list[int]) -> list[Group]:
    return [
        Group(
            tuple(
                replace(
                    run,
                    id=f"{number}-{place}",
                    train_id=f"{number}-{place}",
                    estimate=Estimate(0, 10.0, 0),
                )
                for place in range(size)
            )
        )
        for number, size in enumerate(sizes)
    ]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(1, 4), st.data())
def test_every_run_is_handed_out_once_whatever_the_order(run, sizes, workers, data):
    made = groups(run, sizes)
    board = Board(made)
    held: list[Group | None] = [None] * workers
    given_out: list[str] = []
    while not board.empty:
        worker = data.draw(st.integers(0, workers - 1))
        taken = board.take(held[worker])
        assert taken is not None
        held[worker], got = taken
        given_out.append(got.id)
        board.done(got)
    assert sorted(given_out) == sorted(each.id for group in made for each in group.runs)


def test_a_worker_keeps_to_its_group_and_the_largest_comes_first(run):
    small, large = groups(run, [1, 3])
    board = Board([small, large])
    first, second = board.take(None), board.take(None)
    assert first is not None
    assert second is not None
    assert (first[0], second[0]) == (large, small)
    again = board.take(large)
    assert again is not None
    assert again[0] is large


def test_a_second_worker_helps_with_a_group_rather_than_wait(run):
    (only,) = groups(run, [3])
    board = Board([only])
    taken = [board.take(None), board.take(None)]
    assert all(each is not None and each[0] is only for each in taken)


def test_two_runs_with_the_same_training_are_never_trained_side_by_side(run):
    (group,) = groups(run, [2])
    twins = Group(tuple(replace(each, train_id="same") for each in group.runs))
    board = Board([twins])
    taken = board.take(None)
    assert taken is not None
    assert board.take(None) is None
    assert not board.empty
    board.done(taken[1])
    assert board.take(None) is not None


def test_a_run_that_was_put_back_comes_behind_the_others(run):
    (group,) = groups(run, [2])
    board = Board([group])
    first = board.take(None)
    assert first is not None
    board.put_back(*first)
    order = [board.take(group), board.take(group)]
    assert [each[1].id for each in order if each] == ["0-1", "0-0"]
