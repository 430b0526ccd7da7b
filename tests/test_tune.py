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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "metric", "best"), [("tiny_causal", "chrf", max), ("tiny_seq2seq", "ter", min)]
)
def test_the_dev_set_chooses_the_weights_and_the_test_set_is_not_looked_at(
    here, monkeypatch, model, metric, best
):
    from mtsweep.evaluation import devset

    asked: list[str] = []

    def spy(tuned, codec, sources, decoding, limit):
        asked.extend(sources)
        return generate(tuned, codec, sources, decoding, limit)

    generate = devset.generate
    monkeypatch.setattr(devset, "generate", spy)
    chosen = f"trainer.metric_for_best_model={metric}"
    looks = ["evaluation.every=3", "evaluation.dev_segments=3"]
    events = work(f"model={model}", *FEW, chosen, *looks)
    assert outcomes(events) == ["finished"], events
    [path] = list(here.glob("runs/*/trained.json"))
    record = json.loads((path.parent / "record.json").read_text(encoding="utf-8"))
    lines = [
        json.loads(line)
        for line in (path.parent / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    curve = {line["step"]: line[f"dev_{metric}"] for line in lines if "dev_chrf" in line}
    assert sorted(curve) == [3, 6, 9, 12]
    assert record["chosen"]["value"] == best(curve.values())
    assert curve[record["chosen"]["step"]] == best(curve.values())
    assert record["chosen"]["looks"] == 4
    assert (path.parent / "scores.png").is_file()
    tested = (path.parent / "predictions" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(set(asked)) == 3
    assert not set(asked) & {json.loads(line)["source"] for line in tested}
