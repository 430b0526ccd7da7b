"""The main job through the real command line, on small models."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mtsweep import cli
from mtsweep.commands import COMMANDS
from tests.inprocess import work

TINY = ["model=tiny_causal", "trainer=smoke", "data.test_size=6", "data.dev_size=4", "data.size=12"]
OFF = "tracking=none"


def records(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("runs/*/record.json"))]


def test_a_sweep_ends_with_a_table_of_base_row_and_runs(here, capsys):
    assert cli.run(["-m", "lora.r=2,4", *TINY, OFF]) == 0
    told = capsys.readouterr().out
    banner, table = told.split("stops", maxsplit=1)
    for word in ("runs", "tiny_causal", "12 train, 4 dev, 6 test", "CPU", "none", str(here)):
        assert word in banner
    lines = [line.split()[0] for line in table.splitlines()[1:] if line.strip()]
    assert lines[:3] == ["base", "lora.r=2", "lora.r=4"]
    assert "sweeps/tiny_causal-phrasebook-" in table
    kinds = sorted(record["kind"] for record in records(here))
    assert kinds == ["base", "run", "run"]


def test_a_record_says_all_that_a_comparison_needs(here, capsys):
    assert cli.run([*TINY, OFF]) == 0
    run = next(record for record in records(here) if record["kind"] == "run")
    folder = here / "runs" / run["id"]
    assert set(run["scores"]) == {"bleu", "chrf"}
    for score in run["scores"].values():
        assert score["signature"].startswith("nrefs:1|")
        assert score["direction"] == "higher"
        assert score["segments"] == 6
    assert run["base_scores"].keys() == run["scores"].keys()
    assert run["data"]["train"] == 12
    assert run["cost"]["trainable_parameters"] > 0
    assert run["cost"]["total_parameters"] > run["cost"]["trainable_parameters"]
    assert run["cost"]["peak_memory_bytes"] > 2**20
    stored = sum(path.stat().st_size for path in (folder / "adapter").iterdir())
    assert run["cost"]["adapter_bytes"] == stored
    assert json.loads((folder / "status.json").read_text())["state"] == "finished"
    rows = [
        json.loads(line)
        for line in (folder / "predictions" / "test.jsonl").read_text().splitlines()
    ]
    assert [set(row) >= {"id", "source", "reference", "hypothesis"} for row in rows] == [True] * 6
    logged = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged if "loss" in line] == [1, 2]
    assert any("eval_loss" in line for line in logged)
    assert all("learning_rate" in line for line in logged if "loss" in line)
    assert "preflight, 8 examples" in (folder / "log.txt").read_text()


def test_the_same_command_again_prints_the_same_table_and_trains_nothing(here, capsys):
    command = ["-m", "lora.r=2,4", *TINY, OFF]
    assert cli.run(command) == 0
    first = capsys.readouterr().out
    stamps = {path: path.stat().st_mtime_ns for path in here.glob("runs/*/*")}
    assert cli.run(command) == 0
    again = capsys.readouterr().out
    assert first.endswith(again)
    assert {path: path.stat().st_mtime_ns for path in here.glob("runs/*/*")} == stamps


def test_a_finished_sweep_is_shown_without_importing_torch(here, capsys):
    command = ["-m", "lora.r=2,4", *TINY, OFF]
    assert cli.run(command) == 0
    script = (
        "import sys; from mtsweep import cli; code = cli.run(sys.argv[1:]); "
        "sys.exit(code or 3 * ('torch' in sys.modules) or 4 * ('transformers' in sys.modules))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script, *command],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    assert "lora.r=4" in shown.stdout


def test_base_model_tokens_and_base_row_are_made_once_in_a_worker(here, monkeypatch):
    from mtsweep.models import load
    from mtsweep.models.codec import Codec

    loads, encoded = [], []
    real_load, real_encode = load.load, Codec._encode_source

    def counted_load(*args):
        loads.append(args)
        return real_load(*args)

    def counted_encode(self, text):
        encoded.append(text)
        return real_encode(self, text)

    monkeypatch.setattr(load, "load", counted_load)
    monkeypatch.setattr(Codec, "_encode_source", counted_encode)
    work("-m", "lora.r=2,4", "seed=1,2", *TINY, OFF)
    assert len(loads) == 1
    assert len(encoded) == len(set(encoded)) == 12 + 4 + 6 + 4  # and the probes
    assert sum(record["kind"] == "base" for record in records(here)) == 1


def test_the_base_weights_are_the_same_after_every_kind_of_adapter(here, monkeypatch):
    from mtsweep.models import load

    held = []
    real_load = load.load

    def kept(*args):
        base = real_load(*args)
        before = {name: value.clone() for name, value in base.model.state_dict().items()}
        held.append((base, before, set(base.model.__dict__)))
        return base

    monkeypatch.setattr(load, "load", kept)
    work("-m", "lora=lora,dora", "lora.r=2", *TINY, OFF)
    ((base, before, attributes),) = held
    after = base.model.state_dict()
    assert after.keys() == before.keys()
    assert all(after[name].equal(value) for name, value in before.items())
    assert set(base.model.__dict__) == attributes
    assert all(parameter.requires_grad for parameter in base.model.parameters())


def test_another_search_uses_the_trained_adapter_again(here, capsys):
    assert cli.run(["-m", "decoding=greedy,beam", *TINY, OFF]) == 0
    told = capsys.readouterr().out
    assert "which was trained the same way" in told
    runs = [record for record in records(here) if record["kind"] == "run"]
    assert len({record["train_id"] for record in runs}) == 1
    assert len(list(here.glob("runs/*/adapter"))) == 1
    assert all(record["cost"]["adapter_bytes"] > 0 for record in runs)


@pytest.mark.parametrize(
    ("model", "lora"),
    [
        ("tiny_causal", "lora"),
        ("tiny_causal", "qlora"),
        ("tiny_seq2seq", "none"),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in (
                ("tiny_causal", "dora"),
                ("tiny_causal", "none"),
                ("tiny_seq2seq", "lora"),
                ("tiny_seq2seq", "qlora"),
                ("tiny_seq2seq", "dora"),
            )
        ),
    ],
)
def test_every_tuning_of_both_kinds_runs(here, capsys, model, lora):
    limit = "decoding.max_new_tokens=12"
    assert cli.run([*TINY, f"model={model}", f"lora={lora}", "lora.r=2", OFF, limit]) == 0
    run = next(record for record in records(here) if record["kind"] == "run")
    kept = "model" if lora == "none" else "adapter"
    assert (here / "runs" / run["id"] / kept / f"{kept}_model.safetensors").is_file() or (
        here / "runs" / run["id"] / "model" / "model.safetensors"
    ).is_file()


def test_a_run_that_fails_is_named_and_the_others_go_on(here, capsys):
    command = ["-m", "trainer.learning_rate=1e-3,1e30", *TINY, OFF, "trainer.max_steps=4"]
    assert cli.run(command) == 1
    captured = capsys.readouterr()
    assert "failed" in captured.out
    assert re.search(r"learning_rate=1e\+30: not finite: \w+ is nan at step \d", captured.err)
    assert len([record for record in records(here) if record["kind"] == "run"]) == 1
    log = re.search(r"log: (\S+)", captured.err)
    assert log is not None
    assert (here / log.group(1)).is_file()
    states = [json.loads(path.read_text())["state"] for path in here.glob("runs/*/status.json")]
    assert sorted(states) == ["failed", "finished", "finished"]


@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        (["lora.rr=8"], "lora.rr  no such key; did you mean lora.r?"),
        (["data.size=5000"], "data.size: 5000 pairs asked for"),
        (["data.target_lang=zul_Latn"], "the phrasebook has no zul_Latn; it has: eng_Latn"),
        (["data=gettext", "data.package=nonesuch"], "pip install nonesuch"),
        (["data=files", "data.train_file=no.jsonl", "data.source_lang=eng_Latn",
          "data.target_lang=spa_Latn"], "no.jsonl does not exist"),
        (["output_dir=/dev/null/x"], "output_dir: cannot write to"),
        (["model=causal", "model.name=./nowhere"], "there is no folder"),
        (["--frobnicate"], "unrecognized arguments: --frobnicate"),
    ],
)  # fmt: skip
def test_what_the_user_can_mend_is_said_before_anything_is_trained(here, capsys, command, remedy):
    assert cli.run([*TINY, OFF, *command]) == 2
    assert remedy in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_the_table_is_kept_with_signatures(here, capsys):
    assert cli.run(["-m", "lora.r=2,4", *TINY, OFF]) == 0
    (path,) = here.glob("sweeps/*/table.csv")
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["run"] for row in rows] == ["base"] * 2 + ["lora.r=2"] * 2 + ["lora.r=4"] * 2
    assert all(row["signature"] for row in rows)
    sweep = (path.parent / "sweep.yaml").read_text()
    assert "lora.r=2,4" in sweep
    assert all(row["id"] in sweep for row in rows if row["kind"] == "run")


def test_the_console_script_and_the_module_are_the_same(here):
    script = Path(sys.executable).with_name("mtsweep")
    told = [
        subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
        for command in ([sys.executable, "-m", "mtsweep"], [str(script)])
    ]
    assert told[0] == told[1]
    assert told[0].startswith("mtsweep ")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("llama", "meta-llama/Llama-3.2-1B"),
        ("nllb", "facebook/nllb-200-distilled-600M"),
        pytest.param("qwen", "Qwen/Qwen2-1.5B", marks=pytest.mark.slow),
        pytest.param("llama3b", "unsloth/Llama-3.2-3B-Instruct", marks=pytest.mark.slow),
        pytest.param("marian", "Helsinki-NLP/opus-mt-en-de", marks=pytest.mark.slow),
    ],
)
def test_a_hub_model_runs_as_it_is_called(hub, here, capsys, model, name):
    command = [*TINY, f"model={model}", "data.target_lang=deu_Latn", "decoding.max_new_tokens=8"]
    assert cli.run([*command, OFF]) == 0
    assert name in capsys.readouterr().out
    run = next(record for record in records(here) if record["kind"] == "run")
    assert run["cost"]["trainable_parameters"] > 0


def test_the_command_of_the_readme_composes_two_hub_models(hub, here, capsys):
    command = ["-m", "model=qwen,llama", "lora.r=2,4", *TINY[1:], OFF, "decoding.max_new_tokens=8"]
    assert cli.run(command) == 0
    told = capsys.readouterr().out
    assert told.count("Loading") == 2  # a worker keeps to one base model as long as it can
    assert len([record for record in records(here) if record["kind"] == "run"]) == 4
    assert len([record for record in records(here) if record["kind"] == "base"]) == 2


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)],
)
def test_an_interrupted_sweep_says_how_to_go_on(here, number, code):
    command = [
        "-m",
        "lora.r=2,4",
        *TINY,
        OFF,
        "trainer.max_steps=100000",
        "trainer.eval_steps=9999",
    ]
    sweep = subprocess.Popen(
        [sys.executable, "-m", "mtsweep", *command],
        cwd=here,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts background jobs with SIGINT ignored, which children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    try:
        deadline = time.monotonic() + 60
        while not list(here.glob("runs/*/metrics.jsonl")) and time.monotonic() < deadline:
            time.sleep(0.2)
        sweep.send_signal(number)
        _, told = sweep.communicate(timeout=30)
    finally:
        sweep.kill()
        sweep.communicate()
    assert sweep.returncode == code
    assert "python -m mtsweep -m lora.r=2,4" in told
    states = [json.loads(path.read_text())["state"] for path in here.glob("runs/*/status.json")]
    assert sorted(states) == ["finished", "interrupted"]


@pytest.mark.slow
def test_a_base_row_that_was_lost_is_scored_again_and_nothing_else(here, capsys):
    command = ["-m", "lora.r=2,4", *TINY, OFF]
    assert cli.run(command) == 0
    base = next(record for record in records(here) if record["kind"] == "base")
    shutil.rmtree(here / "runs" / base["id"])
    capsys.readouterr()
    assert cli.run(command) == 0
    assert "train" not in capsys.readouterr().out.split("base (untouched)")[1].split("stops")[0]
    assert len(records(here)) == 3


def test_plan_names_the_runs_and_starts_nothing(here, capsys):
    assert cli.run(["plan", "-m", "lora.r=8,16", "model=tiny_causal"]) == 0
    told = capsys.readouterr().out
    for wanted in ("lora.r=8", "lora.r=16", "2 runs, 2 to do in 1 group:"):
        assert wanted in told
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_stands_in_help_and_has_help_of_its_own(command, capsys):
    assert f"  {command} " in cli.help_text()
    assert COMMANDS[command] in cli.help_text()
    assert cli.run([command, "--help"]) == 0
    assert f"usage: python -m mtsweep {command}" in capsys.readouterr().out


def test_a_command_with_a_slip_in_its_name_is_answered_with_the_one_that_was_meant(capsys):
    assert cli.run(["translat", "best"]) == 2
    assert capsys.readouterr().err == "translat: no such command; did you mean translate?\n"
    assert cli.run(["dataa=chat"]) == 2
    assert "dataa  no such key; did you mean data?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [["--help"], ["synthesize", "synthesis=groq", "synthesis.dry_run=true"]]
)
def test_a_reader_that_has_seen_enough_is_no_trouble(here, command):
    written, reads = os.pipe()
    os.close(written)
    process = subprocess.Popen(
        [sys.executable, "-m", "mtsweep", *command], stdout=reads, stderr=subprocess.PIPE
    )
    os.close(reads)
    _, told = process.communicate()
    assert (process.returncode, told) == (141, b"")
