"""What is exported, loaded in stock libraries, says what was scored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mtsweep import cli, export
from mtsweep.record import RunFolder

pytestmark = pytest.mark.slow

STAND_IN = Path(__file__).parents[1] / "standins" / "convert_hf_to_gguf.py"


def exported(trained, name, folder, *options):
    output, ids = trained
    arguments = ["export", ids[name], "--to", str(folder), "--output-dir", str(output)]
    code = cli.run([*arguments, *options])
    account = folder / export.ACCOUNT
    return code, json.loads(account.read_text("utf-8")) if account.exists() else None


def predictions(trained, name):
    output, ids = trained
    return RunFolder(output / "runs" / ids[name]).predictions("test")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("causal lora", "peft"),
        ("causal lora", "merged"),
        ("causal none", "merged"),
        ("causal lora 0.5", "peft"),
        ("causal lora 0.5", "merged"),
        ("causal none 0.5", "merged"),
        ("causal untouched", "merged"),
        ("seq2seq lora", "peft"),
        ("seq2seq lora", "merged"),
        ("causal lora", "ctranslate2"),
        ("causal none 0.5", "ctranslate2"),
        ("seq2seq lora", "ctranslate2"),
    ],
)
def test_in_float32_every_segment_is_what_was_scored(trained, here, capsys, name, form):
    code, told = exported(trained, name, here / "out", "--format", form)
    assert code == 0
    assert told is not None
    assert (told["format"], told["check"]["segments"], told["check"]["equal"]) == (form, 12, 12)
    assert told["check"]["lost"] == []
    assert "12 of 12 segments (100.0%)" in capsys.readouterr().out
    assert [path.name for path in here.iterdir()] == ["out"]
    texts = [path.read_text("utf-8") for path in (here / "out").glob("*.json")]
    assert len(texts) >= 4
    assert not any(str(trained[0]) in text or str(Path.home()) in text for text in texts)


@pytest.mark.parametrize("form", ["peft", "merged", "ctranslate2"])
def test_of_conversations_the_answers_are_compared(trained, here, capsys, form):
    code, told = exported(trained, "talk lora", here / "out", "--format", form)
    assert code == 0
    assert told is not None
    assert (told["check"]["equal"], list(told["check"]["metrics"])) == (12, ["chrf"])
    assert "their losses are not taken again" in capsys.readouterr().out


def test_runs_say_other_things_than_their_base_and_than_one_another(trained):
    names = ["causal untouched", "causal lora", "causal none", "causal none 0.5"]
    said = [tuple(row["hypothesis"] for row in predictions(trained, name)) for name in names]
    assert len(set(said)) == len(names)


def test_a_merged_folder_decodes_as_scored_without_this_package(trained, here):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    exported(trained, "causal lora", here / "out", "--merge")
    model: Any = AutoModelForCausalLM.from_pretrained(here / "out")
    tokenizer = AutoTokenizer.from_pretrained(here / "out")
    for row in predictions(trained, "causal lora")[:3]:
        given = tokenizer(f"English: {row['source']}\nSpanish:", return_tensors="pt")
        ids = model.generate(**given)[0, given["input_ids"].shape[1] :]
        assert tokenizer.decode(ids, skip_special_tokens=True).strip() == row["hypothesis"]


def test_a_base_in_4_bits_is_made_whole_and_that_is_told(trained, here, capsys):
    code, told = exported(trained, "causal qlora", here / "out", "--merge")
    assert code == 0
    assert told is not None
    assert "merged into the de-quantised base" in told["notes"][0]
    assert "de-quantised" in capsys.readouterr().err
    config = json.loads((here / "out" / "config.json").read_text("utf-8"))
    assert "quantization_config" not in config
    assert exported(trained, "causal qlora", here / "adapter")[0] == 0


def test_8_bit_weights_are_smaller_and_their_share_is_told(trained, here):
    sizes = []
    for options in ([], ["--quantise", "int8"]):
        folder = here / f"out{len(options)}"
        code, told = exported(trained, "seq2seq lora", folder, "--format", "ctranslate2", *options)
        assert code == 0
        assert told is not None
        assert 0 <= told["check"]["share"] <= 1
        sizes.append((folder / "model.bin").stat().st_size)
    assert told["quantise"] == "int8"
    assert sizes[1] < sizes[0] / 2


def test_gguf_is_made_by_a_converter_that_is_found(trained, here, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(here))
    monkeypatch.delenv("LLAMA_CPP", raising=False)
    assert exported(trained, "causal lora", here / "out", "--format", "gguf") == (2, None)
    assert "convert_hf_to_gguf.py was not found; get llama.cpp" in capsys.readouterr().err
    monkeypatch.setenv("LLAMA_CPP", str(STAND_IN.parent))
    code, told = exported(trained, "causal lora", here / "out", "--format", "gguf")
    assert code == 0
    assert told is not None
    assert told["check"]["equal"] == 12
    assert (here / "out" / "model.gguf").read_bytes()[:4] == b"GGUF"
    small = here / "small"
    asked = ["--format", "gguf", "--quantise", "int8", "--converter", str(STAND_IN)]
    assert exported(trained, "causal none", small, *asked)[0] == 0
    sizes = [(folder / "model.gguf").stat().st_size for folder in (small, here / "out")]
    assert sizes[0] < sizes[1] / 2


def test_a_converter_that_fails_is_quoted_and_nothing_is_left(trained, here, capsys):
    script = here / "convert_hf_to_gguf.py"
    script.write_text("import sys; sys.exit('Model X is not supported')")
    asked = ["--format", "gguf", "--converter", str(script)]
    assert exported(trained, "causal lora", here / "out", *asked) == (1, None)
    assert "Model X is not supported" in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == [script.name]
    assert exported(trained, "seq2seq lora", here / "out", *asked) == (2, None)
    assert "is an encoder-decoder" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["causal lora", "seq2seq lora"])
def test_a_run_and_its_folder_translate_by_ctranslate2(trained, here, capsys, monkeypatch, name):
    output, ids = trained
    monkeypatch.setenv("MTSWEEP_CACHE", str(here / "cache"))
    rows = predictions(trained, name)
    (here / "in.txt").write_text("".join(f"{row['source']}\n\n" for row in rows), "utf-8")
    wanted = "".join(" ".join(row["hypothesis"].splitlines()) + "\n\n" for row in rows)
    asked = ["--file", "in.txt", "--output-dir", str(output)]
    for converts in (True, False):
        told = ["translate", ids[name], "--engine", "ctranslate2", *asked]
        assert cli.run(told) == 0
        seen = capsys.readouterr()
        assert seen.out == wanted
        assert ("converting for CTranslate2, once" in seen.err) == converts
        assert "tried with transformers" not in seen.err
    exported(trained, name, here / "out", "--format", "ctranslate2")
    capsys.readouterr()
    assert cli.run(["translate", "out", *asked, "--to", "out.txt"]) == 0
    assert (here / "out.txt").read_text("utf-8") == wanted
    assert cli.run(["translate", "out", *asked, "--into", "de"]) == 2
    assert "it translates eng_Latn to spa_Latn" in capsys.readouterr().err
    exported(trained, name, here / "adapter")
    assert cli.run(["translate", "adapter", *asked]) == 2
    assert "was exported as peft" in capsys.readouterr().err


def test_another_text_than_transformers_is_told(trained, here, capsys, monkeypatch):
    from mtsweep.evaluation.generate import Hypothesis
    from mtsweep.serve import ctranslate

    output, ids = trained
    monkeypatch.setenv("MTSWEEP_CACHE", str(here / "cache"))
    monkeypatch.setattr(ctranslate, "speak", lambda _, __, texts, *___: [
        Hypothesis(text, stopped=True, tokens=1) for text in texts
    ])  # fmt: skip
    asked = ["translate", ids["causal lora"], "--engine", "ctranslate2", "--text", "Yes.\nNo."]
    assert cli.run([*asked, "--output-dir", str(output)]) == 0
    seen = capsys.readouterr()
    assert seen.out == "Yes.\nNo.\n"
    assert "of 2 lines that were tried with transformers too, 0 (0%) are the same" in seen.err


def test_a_loss_beyond_chance_is_not_written_unless_it_is_accepted(
    trained, here, capsys, monkeypatch
):
    from mtsweep.export import said

    monkeypatch.setattr(said, "again", lambda source, *_: [
        {**row, "hypothesis": "x"} for row in source.rows
    ])  # fmt: skip
    better = [
        {**row, "hypothesis": row["reference"]} for row in predictions(trained, "causal lora")
    ]
    monkeypatch.setattr(RunFolder, "predictions", lambda *_: better)
    code, told = exported(trained, "causal lora", here / "out")
    assert (code, told, list(here.iterdir())) == (1, None, [])
    assert "is worse in BLEU and chrF than what was scored" in capsys.readouterr().err
    code, told = exported(trained, "causal lora", here / "out", "--accept-loss")
    assert code == 0
    assert told is not None
    assert told["check"]["loss_accepted"]
    assert told["check"]["lost"] == ["bleu", "chrf"]


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("causal none", ["--format", "peft"], "trained every weight: there is no adapter"),
        ("causal untouched", ["--format", "peft"], "trained nothing: there is no adapter"),
        ("causal lora", ["--quantise", "int8"], "take it with --format ctranslate2"),
        ("causal lora", ["--merge", "--format", "peft"], "--format peft says otherwise"),
        ("causal lora", ["--device", "tpu"], "'tpu' is no device"),
    ],
)
def test_what_cannot_be_made_is_told_and_nothing_is_left(
    trained, here, capsys, name, options, complaint
):
    assert exported(trained, name, here / "out", *options) == (2, None)
    assert complaint in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_an_unfinished_run_is_not_exported(trained, here, capsys):
    output, ids = trained
    record = output / "runs" / ids["causal lora"] / "record.json"
    kept = record.read_bytes()
    record.unlink()
    try:
        assert exported(trained, "causal lora", here / "out") == (2, None)
    finally:
        record.write_bytes(kept)
    assert "has not finished" in capsys.readouterr().err
