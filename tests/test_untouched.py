"""A run that trains nothing is its base row: planned, scored, shown and judged as one."""

from __future__ import annotations

import pytest

from mtsweep import plan as plans
from mtsweep.compare import compare
from mtsweep.compare.settings import settings, varied
from mtsweep.plan import identify, make
from mtsweep.record import records
from mtsweep.serve import resolve
from mtsweep.table import as_csv, rows
from tests.compare.test_compare import put, sweep
from tests.inprocess import outcomes, work
from tests.overrides import composed, job

TINY = {"model": "tiny_causal", "trainer": "smoke", "data.test_size": 8, "data.size": 40}


def test_an_untouched_run_is_the_base_row_of_a_tuned_one_and_takes_no_training():
    tuned = identify(job(TINY))
    for changes in ({}, {"trainer.learning_rate": 1.0, "seed": 7, "data.size": 20}):
        run = identify(job({**TINY, **changes, "lora": "untouched"}))
        assert run.id == run.base_id == tuned.base_id
        assert run.untouched
        assert (run.guess.trained, run.guess.disk) == (0, 0)
        assert run.guess.seconds < tuned.guess.seconds
    assert not tuned.untouched
    four_bits = identify(job({**TINY, "lora": "untouched", "lora.load_in_4bit": True}))
    assert four_bits.id == identify(job({**TINY, "lora": "qlora"})).base_id


def test_untouched_and_tuned_runs_come_to_one_table_and_one_judgement(here):
    command = ["-m", "model=tiny_causal", "trainer=smoke", "data.test_size=8", "data.dev_size=4",
               "data.size=20", "tracking=none", "decoding.max_new_tokens=8", "lora.r=2",
               "lora=untouched,lora"]  # fmt: skip
    assert outcomes(work(*command)) == ["finished", "finished"]
    found = list(records(here / "runs"))
    assert sorted(record.kind for _, record in found) == ["base", "run"]
    plan = make(composed(*command))
    assert [run.state for run in plan.runs] == ["finished", "finished"]
    table = rows(plan, {})
    assert [(row.label, row.kind) for row in table] == [("base", "base"), ("lora=lora", "run")]
    assert len(as_csv(table).splitlines()) == 5
    assert len(compare(found, resamples=50).rows) == 2


def test_several_untouched_rows_are_called_by_their_prompts(tmp_path):
    jobs = [
        job({**TINY, "prompt": prompt, "lora": lora, "output_dir": str(tmp_path)}, "x")
        for lora, prompt in (("untouched", "brief"), ("untouched", "retrieval"), ("lora", "brief"))
    ]
    plan = plans.make(jobs)
    assert len(plan.runs) == 3
    told = rows(plan, {plan.runs[1].id: "no memory"})
    assert [(row.label, row.kind) for row in told] == [
        ("base prompt=brief", "base"), ("x", "run"), ("base prompt=retrieval", "base"),
    ]  # fmt: skip
    assert told[2].reason == "no memory"


@pytest.fixture
def prompted(tmp_path):
    """Three untouched rows under three prompts, and a tuned run under the first."""
    found = [
        put(tmp_path, "b0", 0.9, {"prompt": "brief"}, kind="base"),
        put(tmp_path, "b1", 0.7, {"prompt": "few_shot"}, kind="base", seed=1),
        put(tmp_path, "b2", 0.5, {"prompt": "retrieval"}, kind="base", seed=2),
        put(tmp_path, "r0", 0.2, {"prompt": "brief", "lora": "lora"}, seed=3),
    ]
    return tmp_path, found


def test_base_rows_under_several_prompts_are_ranked_with_the_run_because_that_is_the_question(
    prompted,
):
    output, found = prompted
    judged = compare(found, resamples=200)
    assert [row.label for row in judged.rows] == [
        "base prompt=brief", "base prompt=few_shot", "base prompt=retrieval", "tuned prompt=brief",
    ]  # fmt: skip
    (verdict,) = [each for each in judged.verdicts if each.metric == "chrf"]
    assert len(verdict.members) == 4
    against = [told for told in judged.sentences if told.startswith("tuned prompt=brief differs")]
    assert len(against) == 3
    assert "from base prompt=retrieval by +" in against[2]
    assert {"prompt.shots", "prompt.choice"} <= set(varied(settings(found)))
    # Of untouched rows alone one may be the best.
    alone = compare(found[:3], resamples=200)
    assert alone.sentences[0].startswith("base prompt=retrieval is best")
    sweep(output, "alone", ["b0", "b1", "b2"])
    assert resolve.find("alone", output)[0].id == "b2"


def test_a_sweep_may_be_several_grids_and_the_command_line_wins():
    jobs = composed("-m", "experiment=prompting")
    told = [(each.config.lora.method, each.config.prompt.name) for each in jobs]
    assert told == [
        ("untouched", "brief"), ("untouched", "few_shot"), ("untouched", "retrieval"),
        ("lora", "brief"),
    ]  # fmt: skip
    assert {each.config.prompt.one_line for each in jobs} == {True}
    assert jobs[1].overrides == "lora=untouched, prompt=few_shot"
    jobs = composed("-m", "experiment=prompting", "lora=lora", "prompt=brief,retrieval")
    told = {(each.config.lora.method, each.config.prompt.name) for each in jobs}
    assert told == {("lora", "brief"), ("lora", "retrieval")}
    sizes = composed("-m", "experiment=data_size", "data.size=50,60")
    assert [each.config.data.size for each in sizes] == [50, 60]
