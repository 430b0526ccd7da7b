"""Runs on conversations: what they leave, how they are compared, and what is refused."""

from __future__ import annotations

import json

import pytest

from mtsweep import commands
from mtsweep.compare import compare
from mtsweep.errors import UserError
from mtsweep.record import records
from mtsweep.scores import CHAT
from tests.inprocess import outcomes, work
from tests.overrides import problems_of, refused

ROWS = [
    {"conversations": [
        {"from": "system", "value": "Be short."},
        {"from": "human", "value": f"What is {number} and {number}?"},
        {"from": "gpt", "value": f"It is {2 * number}."},
        {"from": "human", "value": f"And {number} times {number}? <|end|>"},
        {"from": "gpt", "value": f"That is {number * number}."},
    ]}
    for number in range(2, 42)
] + [{"instruction": f"Count from 1 to {number}.", "output": " ".join(map(str, range(1, number)))}
     for number in range(5, 45)]  # fmt: skip
COMMAND = (
    "model=tiny_causal", "data=chat", "data.train_file=chats.jsonl", "data.test_size=12",
    "data.dev_size=4", "trainer=smoke", "decoding.max_new_tokens=6", "evaluation.answers=5",
    "tracking=none",
)  # fmt: skip


@pytest.fixture
def chats(here):
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    (here / "chats.jsonl").write_text(lines, encoding="utf-8")
    return here


def test_a_run_on_conversations_leaves_losses_answers_pictures_and_samples(chats, capsys):
    command = ("-m", *COMMAND, "lora.r=2,4", "evaluation.also.easy.split_seed=7")
    assert outcomes(work(*command)) == ["finished"] * 2
    found = list(records(chats / "runs"))
    runs = [(folder, record) for folder, record in found if record.kind == "run"]
    assert len(found) == 3
    for folder, record in found:
        assert list(record.scores) == list(CHAT)
        assert list(record.also) == ["easy"]
        assert {score.segments for score in record.scores.values()} == {12}
        assert record.degeneration.wrong_language is record.degeneration.text_after is None
        said = folder.predictions("test")
        assert len(said) == 5
        assert all(row["reference"] and row["tokens"] <= 6 for row in said)
        assert {row.get("context") for row in said} <= {"Be short.", None}
        kept = (folder.path / "losses" / "test.jsonl").read_text(encoding="utf-8").splitlines()
        assert sum(json.loads(line)["tokens"] for line in kept) > 12
    folder, record = runs[0]
    for name in ("samples.md", "loss.png", "learning_rate.png"):
        assert (folder.path / name).stat().st_size > 0
    samples = (folder.path / "samples.md").read_text(encoding="utf-8")
    assert "| perplexity |" in samples
    assert "BLEU" not in samples
    assert "Be short." in samples
    assert "context:" in samples
    log = (folder.path / "log.txt").read_text(encoding="utf-8")
    assert "conversations" in log or log == ""
    comparison = compare(found)
    assert comparison.metrics[0] == "eval_loss"
    assert [row.kind for row in comparison.rows] == ["base", "run", "run"]
    best = min(comparison.rows, key=lambda row: row.scores["eval_loss"].value)
    assert comparison.verdicts[0].best == best.key
    assert outcomes(work(*command)) == []
    with pytest.raises(UserError, match="is of conversations, and does not translate"):
        commands.find("translate").run([folder.id, "--text", "Good morning."])
    assert commands.find("runs").run([]) == 0
    assert "loss 7." in capsys.readouterr().out


def test_answers_count_for_the_identity_of_a_chat_run_and_of_no_other(chats):
    from mtsweep import plan

    def ids(*command):
        from tests.overrides import composed

        return [run.id for run in plan.make(composed("-m", *command)).runs]

    assert len(set(ids(*COMMAND[:-2], "evaluation.answers=5,6"))) == 2
    assert len(set(ids(*COMMAND, "prompt=brief,chat"))) == 1
    assert len(set(ids("model=tiny_causal", "evaluation.answers=5,6"))) == 1


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"model": "nllb"}, "model.kind"),
        ({"data.source": "phrasebook"}, "data.form"),
        ({"data.synthetic_file": "made"}, "data.synthetic_file"),
        ({"evaluation.also": {"pairs": {"form": "pairs", "target_lang": "spa_Latn"}}},
         "evaluation.also.pairs.form"),
        ({"prompt": "few_shot"}, "prompt.shots"),
        ({"evaluation.every": 10}, "evaluation.every"),
        ({"trainer.metric_for_best_model": "chrf"}, "trainer.metric_for_best_model"),
    ],
)  # fmt: skip
def test_what_does_not_go_with_conversations_is_refused_by_its_key(changes, key):
    found = problems_of({"data": "chat", "data.train_file": "chats.jsonl", **changes})
    assert [problem.key for problem in found] == [key]


def test_pairs_and_conversations_do_not_mix():
    mix = "data.mix=[{source: files, train_file: a.jsonl, form: pairs}]"
    told = refused("data=chat_mix", "model=llama3b", mix)
    assert "holds pairs or conversations, not both" in str(told.problems[0])


def test_a_model_without_a_chat_template_is_refused_before_it_is_loaded(chats, hub):
    from mtsweep import plan
    from tests.overrides import composed

    with pytest.raises(UserError, match=r"model.name: .*has no chat template"):
        plan.make(composed(*[each for each in COMMAND if "model" not in each], "model=llama"))
    assert plan.make(
        composed(*[each for each in COMMAND if "model" not in each], "model=llama3b")
    ).runs
