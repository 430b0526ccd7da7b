import csv
import io

import pytest

from mtsweep import plan as plans
from mtsweep.behaviour import behaviour
from mtsweep.record import Degeneration, Record
from mtsweep.table import Row, as_csv, rows
from tests.overrides import job
from tests.records import record, score


@pytest.fixture
def plan(tmp_path) -> plans.Plan:
    """Two models, two ranks each."""
    jobs = [
        job(
            {"model": model, "lora.r": r, "output_dir": str(tmp_path)}, f"model={model}, lora.r={r}"
        )
        for r in (8, 16)
        for model in ("tiny_causal", "tiny_seq2seq")
    ]
    return plans.make(jobs)


def finish(plan: plans.Plan, *runs: plans.Run) -> None:
    for run in plan.runs:
        run.base_folder.start("")
        run.base_folder.finish(record(run.base_id, "base"))
    for run in runs:
        run.folder.start("")
        run.folder.finish(record(run.id))


def read(table: list[Row]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(table))))


def test_each_base_stands_once_before_its_runs(plan):
    finish(plan, *plan.runs)
    assert [row.label for row in rows(plan, {})] == [
        "base tiny_causal",
        "model=tiny_causal, lora.r=8",
        "model=tiny_causal, lora.r=16",
        "base tiny_seq2seq",
        "model=tiny_seq2seq, lora.r=8",
        "model=tiny_seq2seq, lora.r=16",
    ]


def test_every_run_has_its_record_and_its_base(plan):
    finish(plan, *plan.runs)
    bases = {run.id: run.base_id for run in plan.runs}
    above = None
    for row in rows(plan, {}):
        assert row.record is not None
        assert row.kind == row.record.kind
        if row.kind == "base":
            above = row.record.id
        else:
            assert bases[row.record.id] == above


def test_a_single_run_is_called_by_its_model_and_the_base_just_so(tmp_path):
    plan = plans.make([job({"model": "tiny_causal", "output_dir": str(tmp_path)})])
    finish(plan, *plan.runs)
    assert [row.label for row in rows(plan, {})] == ["base", "tiny_causal"]


def test_a_failed_run_keeps_its_line_with_the_reason(plan):
    finish(plan, *plan.runs[1:])
    table = rows(plan, {plan.runs[0].id: "loss is not finite"})
    assert table[1] == Row("model=tiny_causal, lora.r=8", None, "run", "loss is not finite")
    told = read(table)[2]
    assert (told["run"], told["state"]) == (table[1].label, "failed: loss is not finite")
    assert told["value"] == told["signature"] == ""


def test_the_csv_has_a_line_for_each_metric_of_each_row(plan):
    finish(plan, *plan.runs)
    told = read(rows(plan, {}))
    assert len(told) == 6 * 2
    assert all(None not in line and None not in line.values() for line in told)
    assert {line["metric"] for line in told} == {"BLEU", "chrF"}


def test_a_number_comes_with_signature_interval_base_and_count():
    bleu, chrf = read([Row("lora.r=8", record())])
    assert (bleu["metric"], chrf["metric"]) == ("BLEU", "chrF")
    assert (bleu["value"], bleu["low"], bleu["high"]) == ("31.5", "30.0", "33.0")
    assert (bleu["base"], bleu["segments"]) == ("30.0", "100")
    assert bleu["signature"] == score().signature
    assert (bleu["stopped"], bleu["repeated_4grams"], bleu["length_ratio"]) == (
        "0.98", "0.01", "1.02"
    )  # fmt: skip
    assert bleu["adapter_bytes"] == "9770000"


def test_a_base_has_no_base():
    assert [line["base"] for line in read([Row("base", record(kind="base"), "base")])] == ["", ""]


def test_a_base_that_was_never_scored_is_no_run(plan):
    lines = read(rows(plan, {}))
    assert (lines[0]["run"], lines[0]["kind"]) == ("base tiny_causal", "base")


@pytest.mark.parametrize("label", ['a "quoted", one', "two\nlines", "prompt.template={text}"])
def test_any_label_stays_in_its_cell(label):
    told = read([Row(label, record()), Row(label, None, "run", "out of memory, 3 GiB")])
    assert [line["run"] for line in told] == [label] * 3
    assert told[2]["state"] == "failed: out of memory, 3 GiB"


def test_runs_with_different_metrics_stand_in_one_table():
    only_chrf: Record = record(scores={"chrf": score()}, base_scores={"chrf": score()})
    told = read([Row("both", record()), Row("one", only_chrf)])
    assert [(line["run"], line["metric"]) for line in told] == [
        ("both", "BLEU"), ("both", "chrF"), ("one", "chrF")
    ]  # fmt: skip


def test_behaviour_is_shown_where_base_and_tuned_differ():
    calm = Degeneration(stopped=1, repeated_4grams=0.0, length_ratio=1.0, text_after=0.0)
    wild = calm.model_copy(update={"text_after": 0.6, "length_ratio": 4.0})
    rows = [
        Row("base", record("b" * 12, "base", degeneration=wild), "base"),
        Row("lora.r=8", record("1" * 12, degeneration=calm)),
    ]
    made = behaviour(rows)
    assert made is not None
    assert [column.header for column in made.columns] == ["outputs", "go on behind", "length"]
    assert list(made.columns[1].cells) == ["60%", "0%"]
    assert behaviour(rows[1:]) is None
