"""Runs whose prompt shows examples: what names them, what they leave, and how they are used."""

from __future__ import annotations

import json

import pytest

from mtsweep import cli
from mtsweep.plan import identify
from mtsweep.record import EXAMPLES, records
from tests.inprocess import outcomes, work
from tests.overrides import job, refused

TINY = ["model=tiny_causal", "trainer=smoke", "data.test_size=8", "data.dev_size=4", "data.size=40",
        "lora.r=2", "tracking=none", "decoding.max_new_tokens=8"]  # fmt: skip


def run(**changes):
    """A run by its options and keys (``__`` for a dot), planned and not composed."""
    told = {"model": "tiny_causal", "trainer": "smoke", "data.test_size": 8, "data.size": 40}
    return identify(job(told | {key.replace("__", "."): value for key, value in changes.items()}))


def test_number_and_kind_of_the_examples_name_run_and_base_row():
    plain, brief = run(), run(prompt="brief")
    assert (plain.id, plain.base_id) == (brief.id, brief.base_id)
    made = [
        run(prompt="few_shot"),
        run(prompt="retrieval"),
        run(prompt="few_shot", prompt__shots=2),
    ]
    assert len({each.id for each in [plain, *made]}) == 4
    assert len({each.train_id for each in [plain, *made]}) == 4
    assert len({each.base_id for each in [plain, *made]}) == 4
    # Where an answer ends is a question of scoring alone.
    cut = run(prompt__one_line=True)
    assert cut.train_id == plain.train_id
    assert cut.base_id != plain.base_id
    # Without examples no option of theirs names anything.
    assert run(prompt__choice="nearest").id == plain.id


def test_training_pairs_name_a_base_row_only_where_it_shows_others():
    for prompt, same in (("brief", True), ("few_shot", True), ("retrieval", False)):
        one, other = (run(prompt=prompt, data__size=size) for size in (40, 80))
        assert (one.base_id == other.base_id) is same
    short = run(prompt="few_shot", trainer__max_length=128)
    assert short.base_id != run(prompt="few_shot").base_id  # other examples may fit


@pytest.mark.parametrize("prompt", [pytest.param("few_shot", marks=pytest.mark.slow), "retrieval"])
def test_a_run_keeps_its_examples_and_translates_with_them(here, capsys, prompt):
    command = [*TINY, f"prompt={prompt}", "prompt.shots=3", "trainer.max_length=100"]
    events = work(*command)
    assert outcomes(events) == ["finished"], events
    found = {record.kind: (folder, record) for folder, record in records(here / "runs")}
    for kind, (folder, record) in found.items():
        told = record.data["examples"]
        assert told["shots"] == 3
        assert told["pool"] == (40 if prompt == "retrieval" else 6)
        assert 0 < told["fewer_in_test"] <= 12
        assert ("fewer_in_training" in told) == (kind == "run")
        kept = json.loads((folder.path / EXAMPLES).read_text(encoding="utf-8"))
        held_out = {row["source"] for row in folder.predictions("test")}
        assert not {pair["source"] for pair in kept["pairs"]} & held_out
        (here / "in.txt").write_text("".join(f"{text}\n" for text in held_out), encoding="utf-8")
        assert cli.run(["translate", folder.id, "--file", "in.txt", "--to", "out.txt"]) == 0
        said = dict(zip(held_out, (here / "out.txt").read_text("utf-8").splitlines(), strict=True))
        for row in folder.predictions("test"):
            assert said[row["source"]] == " ".join(row["hypothesis"].splitlines())
    assert any("have fewer examples before them" in str(event) for event in events)
    (found["run"][0].path / EXAMPLES).unlink()
    capsys.readouterr()
    assert cli.run(["translate", found["run"][0].id, "--text", "a"]) == 2
    assert "the examples of the run's prompt are gone" in capsys.readouterr().err


def test_examples_are_for_decoder_only_models_and_pairs():
    (problem,) = refused("model=tiny_seq2seq", "trainer=smoke", "prompt=few_shot").problems
    assert problem.key == "prompt.shots"
    assert "takes the bare text" in problem.complaint
