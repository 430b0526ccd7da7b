"""``mtsweep push`` from the command line in, and what arrived in a process without mtsweep."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from mtsweep import cli, publish
from mtsweep.record import RunFolder, records
from tests.inprocess import outcomes, work
from tests.standins.hub_server import TOKEN, hub_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]
SMALL = ["trainer=smoke", "data.test_size=8", "data.dev_size=4", "data.size=48",
         "trainer.max_steps=20", "trainer.learning_rate=0.01", "data.domains=[food,travel]",
         "trainer.per_device_train_batch_size=4", "tracking=none", "decoding.max_new_tokens=12",
         "data.target_lang=deu_Latn", "evaluation.probes=[]"]  # fmt: skip
RUNS = {
    "adapter": ["model=llama", "lora.r=4"],
    "merged": ["model=nllb", "lora.r=4", "decoding=beam"],
}
BASES = {"adapter": "meta-llama/Llama-3.2-1B", "merged": "facebook/nllb-200-distilled-600M"}
_ALONE = """
import json, sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "mtsweep":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Without())
try:
    import mtsweep
except ModuleNotFoundError:
    pass
else:
    sys.exit("mtsweep is there")
from huggingface_hub import hf_hub_download
card = open(hf_hub_download(sys.argv[1], "README.md"), encoding="utf-8").read()
code = card.partition("```python\\n")[2].partition("\\n```")[0].split("\\n")
ask = next(n for n, line in enumerate(code) if line.startswith("inputs = "))
told = {}
exec("\\n".join(code[:ask]), told)
said = []
told["print"] = said.append
for text in json.load(sys.stdin):
    told["text"] = text
    exec("\\n".join(code[ask:]), told)
json.dump(said, sys.stdout)
"""
"""Runs a card's own lines, with other texts in them."""


@pytest.fixture(scope="module")
def output(hub, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("pushed")
    for command in RUNS.values():
        assert outcomes(work(*SMALL, *command, f"output_dir={output}")) == ["finished"]
    return output


@pytest.fixture
def hub_here(monkeypatch):
    from huggingface_hub import constants

    with hub_server() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        for name in ("welcome", "send"):  # base models are looked for in the cache alone
            monkeypatch.setattr(publish, name, online(getattr(publish, name), monkeypatch))
        yield server


def online(call, monkeypatch):
    """A function that may ask the hub."""

    def asked(*given, **named):
        with monkeypatch.context() as patch:
            patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
            return call(*given, **named)

    return asked


def found(output: Path, what: str) -> RunFolder:
    """The run of a base model."""
    (folder,) = [
        folder
        for folder, record in records(output / "runs")
        if record.kind == "run" and record.config["model"]["name"] == BASES[what]
    ]
    return folder


@pytest.mark.parametrize(
    ("what", "options", "weights"),
    [
        ("adapter", [], "adapter_model.safetensors"),
        ("merged", ["--format", "merged", "--private"], "model.safetensors"),
    ],
)
def test_what_arrives_says_what_was_scored_in_a_process_without_mtsweep(
    output, hub_here, tmp_path, capsys, what, options, weights
):
    folder = found(output, what)
    name = f"tester/{what}"
    code = cli.run(["push", folder.id, name, *options, "--output-dir", str(output)])
    said = capsys.readouterr()
    assert code == 0, said.err
    assert said.out.splitlines()[-1].startswith(f"{hub_here.url}/{name}: ")
    repository = hub_here.repositories[name]
    assert weights in repository.files
    assert repository.private == ("--private" in options)
    assert len(repository.commits) == 2
    everything = b"".join(repository.files.values())
    for private in (str(output), str(Path.home()) + "/", TOKEN, "training_args"):
        assert private.encode() not in everything
    card = ModelCard(repository.files["README.md"].decode())
    told: Any = card.data
    assert told.base_model == BASES[what]
    rows = folder.predictions("test")
    assert f"of {len(rows)} outputs are, word for word, what was scored" in card.text
    # As a download would lay it out, beside the base model.
    cache = Path(os.environ["HF_HUB_CACHE"])
    hub_here.lay_out(tmp_path / "hub")
    for base in cache.glob("models--*"):
        (tmp_path / "hub" / base.name).symlink_to(base)
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    alone = subprocess.run(
        [sys.executable, "-c", _ALONE, name],
        input=json.dumps([row["source"] for row in rows]),
        capture_output=True, text=True, check=False, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert alone.returncode == 0, alone.stderr
    assert json.loads(alone.stdout) == [row["hypothesis"] for row in rows]


def test_a_dry_run_lists_and_sends_nothing(output, hub_here, monkeypatch, capsys):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    there = ["--output-dir", str(output)]
    assert (
        cli.run(
            ["push", found(output, "merged").id, "a/b", "--format", "merged", "--dry-run", *there]
        )
        == 0
    )
    told = capsys.readouterr()
    assert "model.safetensors\n" in told.out
    assert "README.md\n" in told.out
    assert "nothing was sent (--dry-run)" in told.out
    assert "left behind" not in told.out
    assert hub_here.asked == []


def test_what_cannot_ship_is_refused_before_the_hub_is_asked(output, hub_here, capsys):
    run, there = found(output, "merged").id, ["--output-dir", str(output)]
    for arguments, told in (
        (["push", run, "small", *there], "is called owner/name"),
        (["push", "nothing", "a/b", *there], "no run, run folder or sweep"),
    ):
        assert cli.run(arguments) == 2
        assert told in capsys.readouterr().err
    assert hub_here.asked == []
