"""A finished run, or a model that nobody has tuned, as the teacher."""

import json

import pytest

from mtsweep import data
from mtsweep.cli import run
from mtsweep.data.pairs import fold
from mtsweep.record import records, write
from tests.inprocess import outcomes, work
from tests.overrides import config
from tests.serve.conftest import SMALL

OPEN = ("synthesis.filters.language=0", "synthesis.filters.near=1", "synthesis.filters.min_chars=1",
        "synthesis.filters.max_ratio=1000", "synthesis.folder=made")  # fmt: skip
"""Filters that a small model's babble passes."""
DATA = ("data.test_size=12", "data.dev_size=4", "data.size=64")


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """A sweep of one small run that has learnt to stop, and its base row."""
    output = tmp_path_factory.mktemp("taught")
    assert outcomes(work("-m", *SMALL, "lora=none", f"output_dir={output}")) == ["finished"]
    ids = [record.id for _, record in records(output / "runs") if record.kind == "run"]
    (output / "sweeps/small").mkdir(parents=True)
    write(output / "sweeps/small/sweep.yaml", f"command: x\nruns: {ids!r}\n")
    return output


@pytest.fixture
def taught(output, monkeypatch, tmp_path):
    """Its folder as the place of work, with no data set left by another test."""
    monkeypatch.chdir(output)
    kept = output / "synthetic"
    if kept.exists():
        kept.rename(tmp_path / "before")
    return output


def synthesize(*more):
    return run(["synthesize", *DATA, *OPEN, *more])


def made(folder):
    lines = (folder / "synthetic/made/pairs.jsonl").read_text(encoding="utf-8").splitlines()
    card = json.loads((folder / "synthetic/made/card.json").read_text(encoding="utf-8"))
    return [json.loads(line) for line in lines], card


def test_a_run_translates_the_training_sources_as_translate_does(taught, capsys):
    code = synthesize("synthesis=translate", "synthesis.run=best", "synthesis.pairs=1000")
    rows, card = made(taught)
    assert code == 1  # there are 64 texts
    assert "every text was translated" in capsys.readouterr().out
    corpus = data.load(config({"data.test_size": 12, "data.dev_size": 4, "data.size": 64}).data)
    sources = {" ".join(pair.source.split()) for pair in corpus.train}
    assert {row["source"] for row in rows} <= sources
    cut = card["dropped"].get("cut off", 0)
    assert len(rows) + sum(card["dropped"].values()) == len({fold(text) for text in sources})
    assert len(rows) > cut
    run_id = next(record.id for _, record in records(taught / "runs") if record.kind == "run")
    assert card["model"] == f"run {run_id}"
    assert card["teacher_model"]["run"] == run_id

    texts = [row["source"] for row in rows[:5]]
    assert run(["translate", run_id, *(f"--text={text}" for text in texts)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [" ".join(line.split()) for line in said] == [row["target"] for row in rows[:5]]


def test_the_same_command_loads_no_model(taught, monkeypatch):
    command = ("synthesis=translate", "synthesis.run=best", "synthesis.pairs=10")
    synthesize(*command)
    before = made(taught)[0]
    monkeypatch.setattr("mtsweep.serve.translator.opened", None)
    synthesize(*command)
    assert made(taught)[0] == before


def test_backward_translates_target_texts_of_a_file_but_none_of_dev_or_test(taught):
    # The run goes from English to Spanish: backward, it serves data from Spanish to English.
    turned = ("data.source_lang=spa_Latn", "data.target_lang=eng_Latn")
    corpus = data.load(
        config({"data.test_size": 12, "data.dev_size": 4, "data.size": 64,
                "data.source_lang": "spa_Latn", "data.target_lang": "eng_Latn"}).data
    )  # fmt: skip
    held = [pair.target for pair in (*corpus.test, *corpus.dev)]
    own = [f"This is sentence number {n}." for n in range(8)]
    (taught / "mono.txt").write_text("\n".join([*held, *own, "", own[0]]), encoding="utf-8")
    synthesize(*turned, "synthesis=translate", "synthesis.run=best", "synthesis.pairs=50",
               "synthesis.direction=backward", "synthesis.text_file=mono.txt")  # fmt: skip
    rows, card = made(taught)
    asked = [
        text
        for line in (taught / "synthetic/made/ledger.jsonl").read_text().splitlines()
        for text in json.loads(line).get("request", {}).get("texts", [])
    ]
    assert asked == own
    assert {row["target"] for row in rows} <= set(own)
    assert card["dropped"]["of dev or test, not translated"] == len(held)


def test_a_run_of_other_languages_is_refused_before_anything_is_loaded(taught, capsys):
    for more, told in [
        (("synthesis.direction=backward",), "turn synthesis.direction round"),
        (("data.target_lang=deu_Latn",), "translates English to Spanish, and the texts go from"),
    ]:
        assert synthesize("synthesis=translate", "synthesis.run=best", *more) == 2
        assert told in capsys.readouterr().err
    assert not (taught / "synthetic").exists()


def test_a_run_that_has_not_finished_or_is_not_there_is_told(taught, capsys, tmp_path):
    folder = next(folder for folder, record in records(taught / "runs") if record.kind == "run")
    half = tmp_path / "half"
    half.mkdir()
    (half / "config.yaml").write_bytes((folder.path / "config.yaml").read_bytes())
    for name, told in [(str(half), "this run has not finished"), ("feed", "no run, run folder")]:
        assert synthesize("synthesis=translate", f"synthesis.run={name}") == 2
        complaint = capsys.readouterr().err
        assert complaint.startswith(f"synthesis.run: {name}")
        assert told in complaint


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["synthesis=translate"], "synthesis.run"),
        (["synthesis=translate", "synthesis.run=best", "synthesis.model=m"], "chat server's"),
        (["synthesis=apertium", "synthesis.run=best"], "belong to synthesis=translate"),
    ],
)
def test_what_does_not_go_together_is_told(here, capsys, given, told):
    assert run(["synthesize", *given]) == 2
    assert told in capsys.readouterr().err


def test_a_model_that_nobody_has_tuned_teaches_too(here, hub):
    code = synthesize("synthesis=translate", "synthesis.run=null", "model=nllb", "data.size=8",
                      "decoding.max_new_tokens=6", "synthesis.pairs=8")  # fmt: skip
    rows, card = made(here)
    assert code in {0, 1}
    assert card["teacher_model"]["model"] == "facebook/nllb-200-distilled-600M"
    assert len(card["teacher_model"]["revision"]) == 40
    assert len(rows) + sum(card["dropped"].values()) == 8


def test_a_model_of_another_kind_is_told_before_it_is_loaded(here, hub, capsys):
    code = synthesize("synthesis=translate", "synthesis.run=null", "model=causal",
                      "model.name=facebook/nllb-200-distilled-600M")  # fmt: skip
    assert code == 2
    assert "model.kind" in capsys.readouterr().err
