"""Trained weights that are taken over are those that were trained."""

import json

import pytest

from tests.inprocess import outcomes, work

FEW = [
    "trainer=smoke", "data.test_size=6", "data.dev_size=4", "data.size=16", "tracking=none",
    "decoding.max_new_tokens=8", "trainer.max_steps=12", "trainer.learning_rate=0.01",
]  # fmt: skip


def hypotheses(folder) -> list[str]:
    lines = (folder / "predictions" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["hypothesis"] for line in lines]


@pytest.mark.parametrize("lora", ["none", "lora"])
@pytest.mark.parametrize("model", ["tiny_causal", "tiny_seq2seq"])
def test_a_run_that_takes_weights_over_says_what_the_run_that_trained_them_says(here, model, lora):
    # All six texts are one batch in either run, so that not even rounding may differ.
    searches = "decoding.batch_size=6,7"
    events = work("-m", f"model={model}", f"lora={lora}", searches, *FEW)
    assert outcomes(events) == ["finished", "finished"], events
    told = {"base": [], "run": []}
    for path in here.glob("runs/*/record.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        told[record["kind"]].append((path.parent, record))
    assert len({record["train_id"] for _, record in told["run"]}) == 1
    assert len(list(here.glob("runs/*/*/*model.safetensors"))) == 1
    one, other = (hypotheses(folder) for folder, _ in told["run"])
    assert one == other
    assert all(one != hypotheses(folder) for folder, _ in told["base"])
