"""What a search may choose from, as it is written on the command line."""

from __future__ import annotations

import math

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from hydra_plugins.mtsweep_plugins.spaces import space
from mtsweep.compose import Search, asked
from mtsweep.errors import ConfigError, UserError
from mtsweep.space import Choice, Interval, Space
from tests.overrides import composed

SEARCH = ["-m", "sweep=optuna", "model=tiny_causal", "trainer=smoke", "tracking=none"]


def search(*arguments: str) -> Search:
    found = asked([*SEARCH, *arguments], lambda _: pytest.fail("another launcher was asked"))
    assert isinstance(found, Search)
    return found


@pytest.mark.parametrize(
    ("text", "dimension"),
    [
        ("lora.r=4,8", Choice("lora.r", ("4", "8"))),
        ("lora.r=choice(4,8,16)", Choice("lora.r", ("4", "8", "16"))),
        ("lora=lora,dora", Choice("lora", ("lora", "dora"))),
        ("lora.r=int(interval(4,64))", Interval("lora.r", 4, 64, whole=True)),
        ("lora.r=range(2,9,2)", Interval("lora.r", 2, 8, whole=True, step=2)),
        ("lora.lora_dropout=interval(0,0.2)", Interval("lora.lora_dropout", 0, 0.2)),
        (
            "lora.lora_dropout=range(0.0,0.35,0.1)",
            Interval("lora.lora_dropout", 0, 0.3, step=0.1),
        ),
        (
            "trainer.learning_rate=tag(log, interval(1e-5,1e-3))",
            Interval("trainer.learning_rate", 1e-5, 1e-3, log=True),
        ),
    ],
)
def test_hydras_own_syntax_says_what_a_key_may_be(text, dimension):
    assert space(OverridesParser.create().parse_overrides([text])).dimensions == (dimension,)


def test_a_point_becomes_a_run_with_the_metric_of_the_search_as_what_chooses_its_step():
    found = search("lora.r=4,8", "trainer.learning_rate=interval(1e-4,1e-3)", "data.size=64")
    (job,) = found.jobs({"++lora.r": "8", "++trainer.learning_rate": "0.000123"})
    assert job.overrides == "r=8, learning_rate=0.000123"
    assert (job.config.lora.r, job.config.trainer.learning_rate) == (8, 0.000123)
    assert job.config.data.size == 64
    assert job.config.trainer.metric_for_best_model == job.config.sweep.metric == "chrf"


def test_seeds_are_replicates_of_a_point_and_no_part_of_the_space():
    found = search("lora.r=4,8", "seed=1,2,3")
    assert found.space.size == 2
    jobs = found.jobs({"++lora.r": "4"})
    assert [job.config.seed for job in jobs] == [1, 2, 3]
    assert [job.overrides for job in jobs] == ["r=4, seed=1", "r=4, seed=2", "r=4, seed=3"]


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        (["sweep.metric=bleu"], "bleu"),
        (["trainer.metric_for_best_model=eval_loss"], "eval_loss"),
        (["sweep.metric=bleu", "trainer.metric_for_best_model=bleu"], "bleu"),
    ],
)
def test_the_metric_may_be_given_in_either_place(given, chosen):
    (job,) = search("lora.r=4,8", *given).jobs({"++lora.r": "4"})
    assert job.config.trainer.metric_for_best_model == job.config.sweep.metric == chosen


@pytest.mark.parametrize(
    ("arguments", "key", "complaint"),
    [
        ([], "sweep.search", "a search needs a space"),
        (["trainer.learning_rate=interval(1e-3,1e-5)"], "trainer.learning_rate", "comes first"),
        (["lora.lora_dropout=tag(log, interval(0,1))"], "lora.lora_dropout", "above 0"),
        (["lora.r=range(5,5)"], "lora.r", "nothing to choose from"),
        (["decoding.num_beams=1,2"], "decoding.num_beams", "cannot be searched over"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused_by_its_key(arguments, key, complaint):
    with pytest.raises(ConfigError) as caught:
        search(*arguments)
    (problem,) = caught.value.problems
    assert problem.key == key
    assert complaint in problem.complaint


@pytest.mark.parametrize(
    ("arguments", "key", "complaint"),
    [
        (["sweep.metric=comet"], "sweep.metric", "'chrf', 'bleu'"),
        (["sweep.metric=bleu", "trainer.metric_for_best_model=chrf"], "sweep.metric", "one of the"),
        (["sweep.limit=3"], "sweep.limit", "sweep.trials"),
        (["lora=untouched"], "lora.method", "trains nothing"),
    ],
)
def test_a_setting_that_no_search_can_have_is_told_before_it_starts(arguments, key, complaint):
    with pytest.raises(ConfigError) as caught:
        search("lora.r=4,8", *arguments).jobs({"++lora.r": "4"})
    told = {problem.key: problem.complaint for problem in caught.value.problems}
    assert complaint in told[key]


def test_a_search_needs_the_flag_of_a_sweep_and_an_interval_a_search():
    with pytest.raises(UserError, match="-m sweep=optuna"):
        composed("sweep=optuna")
    with pytest.raises(UserError, match=r"lora\.r: an interval is searched: sweep=optuna"):
        composed("-m", "lora.r=int(interval(4,8))")


def test_what_takes_plain_runs_takes_no_search():
    with pytest.raises(UserError, match=r"sweep\.search"):
        composed(*SEARCH, "lora.r=4,8")


def test_corners_show_every_choice_and_every_bound():
    space = Space((Choice("a", ("x", "y")), Interval("b", 1, 9, whole=True)))
    corners = [dict(corner) for corner in space.corners()]
    assert corners == [{"a": "x", "b": "1"}, {"a": "y", "b": "1"}, {"a": "x", "b": "9"}]
    assert space.size == 18
    assert len(list(space.points())) == 18
    assert math.isinf(Space((Interval("b", 1, 9),)).size)


def test_a_proposed_number_has_three_digits_and_stays_between_the_bounds():
    between = Interval("a", 0.12345, 0.98765)
    assert between.text(0.345678) == "0.346"
    assert between.text(0.12346) == "0.12345"
    assert between.text(0.98764) == "0.98765"


def test_orders_of_magnitude_without_a_log_scale_are_advised_against():
    (told,) = Space((Interval("++trainer.learning_rate", 1e-5, 1e-3),)).advice()
    assert "trainer.learning_rate spans 2 orders of magnitude: tag(log, interval(1e-05" in told
    assert Space((Interval("a", 1e-5, 1e-3, log=True), Interval("b", 0, 0.5))).advice() == []
