"""Small finished runs of every kind that is exported, trained once for all tests of this folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mtsweep.data.phrases import phrases
from mtsweep.record import records
from tests.inprocess import outcomes, work

SMALL = ["trainer=smoke", "data.test_size=12", "data.dev_size=4", "data.size=64",
         "trainer.max_steps=30", "trainer.learning_rate=0.01",
         "trainer.per_device_train_batch_size=8", "tracking=none",
         "decoding.max_new_tokens=8"]  # fmt: skip
SWEEPS = {
    "causal": ["model=tiny_causal", "lora=lora,none,qlora"],
    "between": ["model=tiny_causal", "lora=lora,none", "evaluation.interpolate=0.5"],
    "seq2seq": ["model=tiny_seq2seq", "lora=lora"],
    "talk": ["model=tiny_causal", "lora=lora", "data=chat"],
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """An output folder, and the ids of its runs by what they are (``causal lora``)."""
    output = tmp_path_factory.mktemp("exported")
    talks = output / "talks.jsonl"
    rows = [row for book in phrases().values() for row in book][:90]
    talks.write_text("".join(json.dumps(_talk(row)) + "\n" for row in rows), encoding="utf-8")
    for name, command in SWEEPS.items():
        given = [f"data.train_file={talks}"] if name == "talk" else []
        events = work("-m", *SMALL, *command, *given, f"output_dir={output}")
        assert set(outcomes(events)) == {"finished"}
    names = {}
    for _, record in records(output / "runs"):
        lora, asked = record.config["lora"], record.config["evaluation"]["interpolate"]
        name = record.config["model"]["name"].removeprefix("tiny_")
        name = "talk" if record.config["data"]["name"] == "chat" else name
        tuning = "qlora" if lora["load_in_4bit"] else lora["method"]
        told = f"{name} {tuning if record.kind == 'run' else 'untouched'}"
        names[told + (f" {asked}" if asked != 1 else "")] = record.id
    return output, names


def _talk(row: dict[str, str]) -> dict[str, list[dict[str, str]]]:
    said = {"system": "Be short.", "user": row["eng_Latn"], "assistant": row["deu_Latn"]}
    return {"messages": [{"role": role, "content": text} for role, text in said.items()]}
