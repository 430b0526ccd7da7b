"""A sweep of small runs, finished once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtsweep.record import Record, RunFolder, records, write
from tests.inprocess import outcomes, work

SMALL = ["model=tiny_causal", "trainer=smoke", "data.test_size=12", "data.dev_size=4",
         "data.size=64", "trainer.max_steps=60", "trainer.learning_rate=0.01",
         "trainer.per_device_train_batch_size=8", "tracking=none",
         "decoding.max_new_tokens=8"]  # fmt: skip


@pytest.fixture(scope="session")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with a sweep of an adapter and a model trained whole, and their base row."""
    output = tmp_path_factory.mktemp("served")
    ended = work("-m", *SMALL, "lora=lora,none", f"output_dir={output}")
    assert outcomes(ended) == ["finished", "finished"]
    ids = [record.id for _, record in records(output / "runs") if record.kind == "run"]
    (output / "sweeps" / "small").mkdir(parents=True)
    write(output / "sweeps" / "small" / "sweep.yaml", f"command: x\nruns: {ids!r}\n")
    return output


@pytest.fixture(scope="session")
def finished(output: Path) -> list[tuple[RunFolder, Record]]:
    """The runs of the sweep."""
    return [each for each in records(output / "runs") if each[1].kind == "run"]


@pytest.fixture(scope="session")
def base(output: Path) -> RunFolder:
    """The base row of the sweep."""
    (found,) = [each for each in records(output / "runs") if each[1].kind == "base"]
    return found[0]
