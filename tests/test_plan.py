import json
import re
from pathlib import Path

import pytest

from mtsweep import plan as plans
from mtsweep.errors import ConfigError, UserError
from mtsweep.plan import Run
from mtsweep.record import Training
from tests.overrides import job
from tests.records import record

TINY = {"model": "tiny_causal"}


def run(**changes) -> Run:
    """A run; keyword ``lora__r`` stands for ``lora.r``."""
    told = {key.replace("__", "."): value for key, value in changes.items()}
    return plans.identify(job({**TINY, **told}))


def ids(run: Run) -> tuple[str, str, str]:
    return run.id, run.train_id, run.base_id


def test_ids_are_12_hex_digits_and_the_same_each_time():
    assert all(re.fullmatch(r"[0-9a-f]{12}", each) for each in ids(run()))
    assert len(set(ids(run()))) == 3
    assert ids(run()) == ids(run())


TRAINING = {
    "lora__r": 8,
    "lora__lora_alpha": 8,
    "lora": "none",
    "seed": 1,
    "data__size": 50,
    "trainer__learning_rate": 1e-4,
    "trainer__max_steps": 3,
    "trainer__weight_decay": 0.1,
    "trainer__optim": "adafactor",
    "model__freeze": ["layers:1"],
}
"""What changes the training, and leaves the base row as it is."""


@pytest.mark.parametrize(("key", "value"), TRAINING.items())
def test_another_training_is_another_run_over_the_same_base(key, value):
    changed, plain = run(**{key: value}), run()
    assert changed.id != plain.id
    assert changed.train_id != plain.train_id
    assert changed.base_id == plain.base_id


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data__target_lang", "deu_Latn"),
        ("data__split_seed", 14),
        ("data__test_size", 90),
        ("data__domains", ["travel", "food", "home"]),
        ("prompt__template", "{text} in {target}:"),
        ("prompt", "chat"),
        ("model__dtype", "bfloat16"),
        ("lora", "qlora"),
    ],
)
def test_what_the_base_sees_changes_every_id(key, value):
    assert not set(ids(run(**{key: value}))) & set(ids(run()))


@pytest.mark.parametrize(
    ("key", "value"),
    [("decoding", "beam"), ("decoding__max_new_tokens", 20), ("evaluation__metrics", ["chrf"])],
)
def test_another_decoding_or_evaluation_shares_the_training(key, value):
    changed, plain = run(**{key: value}), run()
    assert changed.train_id == plain.train_id
    assert changed.id != plain.id
    assert changed.base_id != plain.base_id


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tracking", "none"),
        ("tracking__wandb__project", "other"),
        ("tracking", "trackio"),
        ("output_dir", "elsewhere"),
        ("sweep__name", "mine"),
        ("trainer__logging_steps", 1),
        ("trainer__eval_steps", 3),
        ("trainer__per_device_eval_batch_size", 2),
        ("trainer__num_train_epochs", 7),  # max_steps is set, so epochs mean nothing
        ("data__name", "a better name"),
        ("prompt__name", "a better name"),
        ("decoding__name", "a better name"),
        ("evaluation__samples", 3),
    ],
)
def test_what_cannot_change_the_result_does_not_count(key, value):
    assert ids(run(**{key: value})) == ids(run())


def test_settings_of_an_adapter_do_not_count_where_there_is_none():
    assert ids(run(lora="none", lora__r=4)) == ids(run(lora="none"))


def test_a_share_of_the_tuning_is_another_run_over_the_same_training_and_base():
    plain, half = run(), run(evaluation__interpolate=0.5)
    assert half.id != plain.id
    assert (half.train_id, half.base_id) == (plain.train_id, plain.base_id)
    assert ids(run(evaluation__interpolate=1.0)) == ids(plain)


BEST = {"trainer__metric_for_best_model": "chrf"}


@pytest.mark.parametrize(
    "change",
    [{"evaluation__every": 7}, {"evaluation__dev_segments": 7}, {"trainer__eval_steps": 3},
     {"trainer__early_stopping_patience": 2},
     {"trainer__metric_for_best_model": "bleu"}],
    ids=str,
)  # fmt: skip
def test_whatever_a_choice_depends_on_counts_where_there_is_one(change):
    chosen = run(**BEST)
    changed = run(**{**BEST, **change})
    assert chosen.train_id != run().train_id
    assert changed.train_id != chosen.train_id
    assert changed.base_id == chosen.base_id == run().base_id


@pytest.mark.parametrize(
    "change", [{"evaluation__every": 7}, {"evaluation__dev_segments": 7}], ids=str
)
def test_curves_alone_are_no_other_run(change):
    assert ids(run(**change)) == ids(run())
    by_loss = {"trainer__metric_for_best_model": "eval_loss"}
    assert ids(run(**by_loss, **change)) == ids(run(**by_loss))


def test_a_dev_set_that_is_the_test_set_cannot_choose(tmp_path):
    file = str(pairs(tmp_path / "held.jsonl"))
    rows = [{"source": f"word {n}", "target": f"palabra {n}"} for n in range(30)]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with pytest.raises(UserError, match="31 test and 0 dev pairs"):
        run(**BEST, data="files", data__train_file=str(tmp_path / "train.jsonl"),
            data__dev_file=file, data__test_file=file, data__source_lang="eng_Latn",
            data__target_lang="spa_Latn", data__leaks="keep")  # fmt: skip


def test_frozen_embeddings_count_where_they_would_be_trained():
    assert ids(run(model__freeze="embeddings")) == ids(run())
    assert run(lora="none", model__freeze="embeddings").id != run(lora="none").id
    assert ids(run(model__freeze=["layers:1", "layers:1"])) == ids(run(model__freeze="layers:1"))


def test_freezing_that_leaves_nothing_is_told():
    with pytest.raises(UserError, match=r"model\.freeze: layers:9 leaves nothing to train"):
        run(model__freeze="layers:9")


def test_frozen_or_not_runs_share_their_base(tmp_path):
    plan = make({}, {"model.freeze": "layers:1"}, output_dir=str(tmp_path))
    assert len(plan.groups) == 1


def test_settings_of_four_bits_do_not_count_where_there_are_none():
    assert ids(run(lora__bnb_4bit_quant_type="fp4")) == ids(run())
    assert run(lora="qlora", lora__bnb_4bit_quant_type="fp4").id != run(lora="qlora").id


def test_a_prompt_does_not_count_for_an_encoder_decoder():
    assert ids(run(model="tiny_seq2seq", prompt="chat")) == ids(run(model="tiny_seq2seq"))
    assert run(model="tiny_seq2seq").id != run().id


def pairs(path: Path, last: str = "the end") -> Path:
    rows = [{"source": f"number {n}", "target": f"número {n}"} for n in range(30)]
    rows.append({"source": last, "target": "el fin"})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def on_file(path: Path, **changes) -> Run:
    told = {"data": "files", "data__train_file": str(path), "data__source_lang": "eng_Latn"}
    return run(**told, data__target_lang="spa_Latn", **changes)


def test_data_count_by_content_and_not_by_path(tmp_path):
    one = on_file(pairs(tmp_path / "a.jsonl"))
    moved = on_file(pairs(tmp_path / "elsewhere" / "b.jsonl"))
    edited = on_file(pairs(tmp_path / "c.jsonl", last="the very end"))
    assert ids(one) == ids(moved)
    assert edited.id != one.id
    assert edited.train_id != one.train_id


def model_folder(path: Path, hidden_size: int = 8) -> Path:
    path.mkdir(parents=True)
    config = {"model_type": "llama", "hidden_size": hidden_size}
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return path


def on_model(path: Path) -> Run:
    return run(model="causal", model__name=str(path))


def test_a_local_model_counts_by_content_and_not_by_path(tmp_path):
    one = on_model(model_folder(tmp_path / "a"))
    moved = on_model(model_folder(tmp_path / "elsewhere" / "b"))
    edited = on_model(model_folder(tmp_path / "c", hidden_size=16))
    assert ids(one) == ids(moved)
    assert not set(ids(edited)) & set(ids(one))


@pytest.fixture
def two_commits() -> tuple[str, str, str]:
    """A model in the hub cache in two versions; ``main`` is the first."""
    from huggingface_hub import constants

    old, new = "1" * 40, "2" * 40
    repository = Path(constants.HF_HUB_CACHE) / "models--tests--two-commits"
    if not repository.exists():
        for commit in (old, new):
            model_folder(repository / "snapshots" / commit)
            (repository / "snapshots" / commit / "tokenizer_config.json").write_text("{}")
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(old)
    return "tests/two-commits", old, new


def test_another_commit_of_a_hub_model_is_another_run(two_commits):
    name, old, new = two_commits
    plain, pinned, later = (
        run(model="causal", model__name=name, model__revision=revision)
        for revision in (None, old, new)
    )
    assert ids(plain) == ids(pinned)
    assert not set(ids(later)) & set(ids(plain))


def make(*changes: dict, **shared) -> plans.Plan:
    return plans.make([job({**TINY, **shared, **each}, str(each)) for each in changes])


def test_jobs_that_come_to_the_same_are_one_run(tmp_path):
    plan = make(
        {"lora.r": 8}, {"lora.r": 16}, {"tracking": "none"}, {"lora.r": 8},
        output_dir=str(tmp_path),
    )  # fmt: skip
    assert [run.config.lora.r for run in plan.runs] == [8, 16]
    assert plan.duplicates == 2


def test_runs_are_grouped_by_base_with_full_training_last(tmp_path):
    plan = make(
        {"lora": "none"}, {"model": "tiny_seq2seq"}, {"lora.r": 8}, {"lora": "qlora"},
        {"lora.r": 16},
        output_dir=str(tmp_path),
    )  # fmt: skip
    told = [
        [(run.config.model.name, run.config.lora.load_in_4bit, run.config.lora.method)
         for run in group.runs]
        for group in plan.groups
    ]  # fmt: skip
    assert told == [
        [("tiny_causal", False, "lora"), ("tiny_causal", False, "lora"),
         ("tiny_causal", False, "none")],
        [("tiny_seq2seq", False, "lora")],
        [("tiny_causal", True, "lora")],
    ]  # fmt: skip
    assert [run.config.lora.r for run in plan.groups[0].runs[:2]] == [8, 16]


def test_a_finished_run_stays_in_the_plan_and_in_no_group(tmp_path):
    shared = {"output_dir": str(tmp_path)}
    first = make({"lora.r": 8}, **shared).runs[0]
    for folder, kind in ((first.folder, "run"), (first.base_folder, "base")):
        assert not first.finished
        folder.start("")
        folder.finish(record(folder.id, kind))
    plan = make({"lora.r": 8}, {"lora.r": 16}, **shared)
    assert [run.state for run in plan.runs] == ["finished", "new"]
    assert [run.config.lora.r for run in plan.runs] == [8, 16]
    assert [[run.config.lora.r for run in group.runs] for group in plan.groups] == [[16]]


def test_runs_that_share_a_training_take_its_time_and_disk_once(tmp_path):
    shared = {"output_dir": str(tmp_path)}
    asked = [{"lora.r": rank, "decoding.num_beams": beams} for rank in (8, 16) for beams in (1, 2)]
    one, again, other, last = (run.estimate for run in make(*asked, **shared).runs)
    assert again.seconds == again.scoring == pytest.approx(2 * one.scoring)
    assert one.seconds > one.scoring
    assert other.seconds > other.scoring == last.seconds / 2
    assert [bool(each.disk) for each in (one, again, other, last)] == [True, False, True, False]
    (alone,) = make(asked[1], **shared).runs
    assert alone.estimate.seconds > alone.estimate.scoring


def test_weights_that_are_there_are_no_training_to_come(tmp_path):
    shared = {"output_dir": str(tmp_path)}
    first = make({"lora.r": 8}, **shared).runs[0].folder
    first.start("")
    made = make({"lora.r": 8}, **shared).runs[0]
    assert made.trained is None
    assert made.estimate.disk
    told = Training(
        train_id=made.train_id,
        seconds=1.0,
        steps=1,
        trainable_parameters=1,
        too_long=0,
        adjusted={},
    )
    (first.path / "draft").mkdir()
    first.keep_weights(first.path / "draft", "adapter", told)
    twin = make({"lora.r": 8, "decoding.num_beams": 2}, **shared).runs[0]
    assert (twin.trained, twin.estimate.disk) == (first, 0)


def test_planning_writes_nothing(tmp_path):
    make({"lora.r": 8}, output_dir=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_is_named_by_its_runs_unless_it_has_a_name(tmp_path):
    shared = {"output_dir": str(tmp_path)}
    plan = make({"lora.r": 8}, {"lora.r": 16}, **shared)
    assert re.fullmatch(r"tiny_causal-phrasebook-[0-9a-f]{6}", plan.name)
    assert plan.name == make({"lora.r": 8}, {"lora.r": 16}, **shared).name
    assert plan.name != make({"lora.r": 8}, **shared).name
    assert make({"sweep.name": "mine"}, **shared).name == "mine"
    assert plan.output == tmp_path
    assert plan.runs[0].folder.path == tmp_path / "runs" / plan.runs[0].id


def test_one_problem_is_told_in_one_line():
    with pytest.raises(UserError) as caught:
        make({"data.target_lang": "ita_Latn"}, {"data.target_lang": "ita_Latn", "seed": 1})
    assert str(caught.value).startswith("data.target_lang: the phrasebook has no ita_Latn; it has")
    assert "\n" not in str(caught.value)


def test_the_problems_of_all_runs_are_told_at_once(tmp_path):
    model = {"model": "seq2seq", "model.name": str(model_folder(tmp_path / "llama"))}
    with pytest.raises(ConfigError) as caught:
        make({"data.target_lang": "ita_Latn"}, {"data.size": 5000}, {}, model)
    keys = [problem.key for problem in caught.value.problems]
    assert keys == ["data.target_lang", "data.size", "model.kind"]


def test_a_model_of_the_other_kind_is_told_with_what_to_set(tmp_path):
    path = model_folder(tmp_path / "mine")
    with pytest.raises(UserError) as caught:
        make({"model": "seq2seq", "model.name": str(path)})
    told = str(caught.value)
    assert told.startswith(f"model.kind: {path} is a llama model, which is causal; set model.kind")
    assert "set model.kind=causal (or use model=causal model.name=…)" in told


def encoder_decoder(path: Path, model_type: str, **tokenizer) -> dict[str, str]:
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"model_type": model_type}))
    (path / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    return {"model": "seq2seq", "model.name": str(path)}


@pytest.mark.parametrize(
    ("model_type", "tokenizer"),
    [
        ("m2m_100", {"tokenizer_class": "NllbTokenizer",
                     "additional_special_tokens": ["eng_Latn", "spa_Latn"]}),
        ("m2m_100", {"tokenizer_class": "M2M100Tokenizer",
                     "additional_special_tokens": ["__en__", "__es__"]}),
        ("mbart", {"tokenizer_class": "MBart50Tokenizer"}),
    ],
    ids=["nllb", "m2m100", "mbart50"],
)  # fmt: skip
def test_a_language_that_the_model_does_not_know_is_told(tmp_path, model_type, tokenizer):
    model = encoder_decoder(tmp_path / "model", model_type, **tokenizer)
    files = {"data": "files", "data.train_file": str(pairs(tmp_path / "pairs.jsonl"))}
    languages = {"data.source_lang": "eng_Latn", "data.target_lang": "ace_Latn"}
    with pytest.raises(UserError, match=r"data\.target_lang: .* does not know ace_Latn"):
        plans.make([job({**model, **files, **languages})])


def test_sizes_beyond_the_data_are_refused_or_left_out(tmp_path):
    sizes = [{"data.size": size} for size in (20, 40, 9000)]
    shared = {"output_dir": str(tmp_path), "sweep.beyond_data": "skip"}
    with pytest.raises(UserError, match=r"data\.size: 9000 pairs asked for"):
        make(*sizes, output_dir=str(tmp_path))
    plan = make(*sizes, **shared)
    assert [run.config.data.size for run in plan.runs] == [20, 40]
    assert plan.duplicates == 0
    there = plan.runs[0].corpus.available
    (told,) = plan.left_out
    assert told.startswith(f"data.size: 9000 pairs asked for, {there} there")
    with pytest.raises(UserError, match=r"data\.size: 9000 pairs asked for"):
        make(sizes[2], **shared)
