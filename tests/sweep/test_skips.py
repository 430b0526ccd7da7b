"""What is skipped the second time is the same to the last byte; all of it through the command line.

The first call's records are made up under the ids that the plan prints, so nothing is trained.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mtsweep import cli, data, plan
from mtsweep.models import locate
from mtsweep.record import RunFolder
from tests.overrides import composed
from tests.records import record

PAIRS = [{"source": f"number {n}", "target": f"número {n}"} for n in range(40)]


def write(path: Path, pairs: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8")
    return path


def local_model(path: Path, hidden_size: int = 8) -> Path:
    path.mkdir(exist_ok=True)
    config = {"model_type": "llama", "hidden_size": hidden_size}
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return path


@pytest.fixture
def command(here) -> list[str]:
    """A run on a data file and a model folder of the working directory."""
    write(here / "pairs.jsonl", PAIRS)
    (local_model(here / "model") / "model.safetensors").write_bytes(bytes(4 << 20))
    return [
        "model=causal", "model.name=./model", "data=files", "data.train_file=pairs.jsonl",
        "data.source_lang=eng_Latn", "data.target_lang=spa_Latn", "data.test_size=5",
        "data.dev_size=5", "tracking=none",
    ]  # fmt: skip


@pytest.fixture
def finished(command) -> list[str]:
    """The command, with the record of its run and of its base row in place."""
    (run,) = plan.make(composed(*command)).runs
    for folder, kind in ((run.folder, "run"), (run.base_folder, "base")):
        folder.start("")
        folder.finish(record(folder.id, kind, config=run.config.model_dump(mode="json")))
    return command


def planned(command: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Id and state of the only run, as another process finds them: nothing is remembered."""
    for remembered in (locate._located, data._corpus, data._parts, data._clean):
        remembered.cache_clear()
    assert cli.run(["plan", *command]) == 0
    run_id, _, state = capsys.readouterr().out.splitlines()[1].split()[:3]
    return run_id, state


def test_the_same_command_skips_what_is_finished(finished, capsys):
    assert planned(finished, capsys)[1] == "finished"


def edited_pair(here: Path) -> None:
    write(here / "pairs.jsonl", [*PAIRS[:-1], {"source": "number 39", "target": "núméro 39"}])


def one_pair_fewer(here: Path) -> None:
    write(here / "pairs.jsonl", PAIRS[:-1])


def another_model(here: Path) -> None:
    local_model(here / "model", hidden_size=16)


def one_weight_in_the_middle(here: Path) -> None:
    """Of a file whose size, beginning and end stay as they were, and whose time is set back."""
    path = here / "model" / "model.safetensors"
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(2 << 20)
        file.write(b"\1")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    "change", [edited_pair, one_pair_fewer, another_model, one_weight_in_the_middle]
)
def test_changed_files_make_another_run(finished, here, capsys, change):
    before, _ = planned(finished, capsys)
    change(here)
    after, state = planned(finished, capsys)
    assert after != before
    assert state == "new"


@pytest.mark.parametrize(
    "option",
    [
        "seed=43",
        "lora.r=8",
        "trainer.learning_rate=1e-3",
        "trainer.max_grad_norm=0.5",
        "data.test_size=6",
        "decoding.num_beams=4",
        "model.dtype=bfloat16",
        "prompt=chat",
    ],
)
def test_an_option_that_changes_the_result_makes_another_run(finished, capsys, option):
    before, _ = planned(finished, capsys)
    after, state = planned([*finished, option], capsys)
    assert after != before
    assert state == "new"


@pytest.mark.parametrize("option", ["sweep.name=other", "trainer.logging_steps=1"])
def test_an_option_that_changes_no_result_is_the_same_run(finished, capsys, option):
    assert planned([*finished, option], capsys) == planned(finished, capsys)


def test_another_revision_of_a_hub_model_is_another_run(command, capsys):
    from huggingface_hub import constants

    repository = Path(constants.HF_HUB_CACHE) / "models--tests--moving"
    for commit, hidden in (("a" * 40, 8), ("b" * 40, 16)):
        (repository / "snapshots" / commit).mkdir(parents=True)
        local_model(repository / "snapshots" / commit, hidden)
        (repository / "snapshots" / commit / "tokenizer_config.json").write_text("{}")
    (repository / "refs").mkdir()
    ids = []
    for commit in ("a" * 40, "b" * 40):
        (repository / "refs" / "main").write_text(commit)
        ids.append(planned([*command, "model.name=tests/moving"], capsys)[0])
    (repository / "refs" / "main").write_text("a" * 40)
    asked = planned([*command, "model.name=tests/moving", f"model.revision={'b' * 40}"], capsys)[0]
    assert ids[0] != ids[1] == asked


@pytest.mark.parametrize("first", [[], ["plan"]])
def test_a_record_of_another_schema_is_refused_with_its_file_and_the_remedy(
    finished, here, capsys, first
):
    (run,) = plan.make(composed(*finished)).runs
    path = run.folder.path / "record.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**told, "schema_version": 0}), encoding="utf-8")
    assert cli.run([*first, *finished]) == 2
    complaint = capsys.readouterr().err
    assert f"runs/{run.id}/record.json" in complaint
    assert "schema_version" in complaint
    assert "remove its folder to run it again" in complaint


def test_a_record_of_an_older_version_without_newer_fields_is_read(finished, capsys):
    (run,) = plan.make(composed(*finished)).runs
    path = run.folder.path / "record.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    for newer in ("also", "base_also", "parts", "base_parts", "base_id", "estimate", "adjusted"):
        told.pop(newer)
    for newer in ("text_after", "copied", "wrong_language"):
        told["degeneration"].pop(newer)
    path.write_text(json.dumps(told), encoding="utf-8")
    assert RunFolder(path.parent).record() is not None
    assert planned(finished, capsys)[1] == "finished"
