"""Small finished runs of every kind that is exported, trained once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

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
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """An output folder, and the ids of its runs by what they are (``causal lora``)."""
    output = tmp_path_factory.mktemp("exported")
    for command in SWEEPS.values():
        events = work("-m", *SMALL, *command, f"output_dir={output}")
        assert set(outcomes(events)) == {"finished"}
    names = {}
    for _, record in records(output / "runs"):
        lora, asked = record.config["lora"], record.config["evaluation"]["interpolate"]
        name = record.config["model"]["name"].removeprefix("tiny_")
        tuning = "qlora" if lora["load_in_4bit"] else lora["method"]
        told = f"{name} {tuning if record.kind == 'run' else 'untouched'}"
        names[told + (f" {asked}" if asked != 1 else "")] = record.id
    return output, names
