"""Every experiment says what it asks, and comes to valid runs."""

from __future__ import annotations

import json

import pytest
import yaml

from mtsweep.record import records
from tests.inprocess import outcomes, work
from tests.overrides import CONF, composed

FILES = sorted((CONF / "experiment").glob("*.yaml"))
RUNS = {
    "data_size": 7, "domains": 3, "forgetting": 6, "replay": 4, "lora_rank": 4, "prompting": 4,
    "multilingual": 4, "tuning_method": 3,
}  # fmt: skip
STUDIES = {
    "llama_en_es": {
        "model.name": "meta-llama/Llama-3.2-1B", "data.dataset": "Helsinki-NLP/opus_books",
        "data.config": "en-es", "data.size": 1000, "prompt.name": "translate", "lora.r": 16,
        "lora.lora_alpha": 32, "lora.lora_dropout": 0.05, "lora.target_modules": "all-linear",
        "lora.load_in_4bit": True, "lora.bnb_4bit_quant_type": "nf4",
        "lora.bnb_4bit_use_double_quant": True, "trainer.num_train_epochs": 2,
        "trainer.per_device_train_batch_size": 4, "trainer.bf16": True,
    },
    "qwen_de_fr": {
        "model.name": "Qwen/Qwen2-1.5B", "data.dataset": "openlanguagedata/flores_plus",
        "data.source_lang": "deu_Latn", "data.target_lang": "fra_Latn", "data.test_size": 0.2,
        "data.own_splits": False, "lora.method": "lora", "lora.load_in_4bit": True,
        "trainer.learning_rate": 2e-4,
    },
    "nllb_en_ta": {
        "model.name": "facebook/nllb-200-distilled-600M", "data.source_lang": "eng_Latn",
        "data.target_lang": "tam_Taml", "data.dataset": "NLPC-UOM/nllb-top25k-enta-cleaned",
        "data.test_size": 0.1, "data.dev_size": 0.1,
    },
    "marian_en_de": {
        "model.name": "Helsinki-NLP/opus-mt-en-de", "data.config": "de-en", "lora.method": "none",
        "data.source_lang": "eng_Latn", "data.target_lang": "deu_Latn",
        "trainer.learning_rate": 2e-5, "trainer.per_device_train_batch_size": 16,
        "trainer.per_device_eval_batch_size": 16, "trainer.weight_decay": 0.01,
        "trainer.num_train_epochs": 3, "trainer.save_total_limit": 3,
        "trainer.predict_with_generate": True, "trainer.eval_steps": None,
    },
    "llama3b_chat": {
        "model.name": "unsloth/Llama-3.2-3B-Instruct", "trainer.max_length": 2048,
        "lora.method": "lora", "lora.load_in_4bit": True, "data.form": "chat",
        "data.test_size": 0.05, "trainer.per_device_train_batch_size": 4,
        "trainer.gradient_accumulation_steps": 4, "trainer.max_steps": 40,
        "trainer.learning_rate": 2e-5, "trainer.warmup_steps": 50, "trainer.optim": "adamw_8bit",
        "trainer.weight_decay": 0.01, "trainer.lr_scheduler_type": "linear",
        "trainer.logging_steps": 10, "trainer.eval_steps": 10,
    },
}  # fmt: skip
"""What the studies set, by key."""


ARMS = {"nllb_en_ta": 3, "qwen_de_fr": 3}
"""Runs of a study; one where it is not listed."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_experiment_opens_with_question_command_expectation_and_cost(file):
    head = [line for line in file.read_text(encoding="utf-8").splitlines() if line[:1] == "#"]
    told = " ".join(line.removeprefix("# ") for line in head)
    assert head[0] == "# @package _global_"
    assert head[1].startswith("# Question: ")
    assert head[2] == f"# Command: python -m mtsweep -m experiment={file.stem}"
    assert "Expectation: " in told
    assert "Cost: " in told
    assert yaml.safe_load(file.read_text(encoding="utf-8"))["sweep"]["name"] == file.stem


@pytest.mark.parametrize("name", RUNS)
def test_an_experiment_comes_to_its_runs_and_a_trainer_of_the_command_line_wins(name):
    jobs = composed("-m", f"experiment={name}", "trainer=smoke", "trainer.max_steps=2")
    assert len(jobs) >= RUNS[name] // 2
    assert {job.config.trainer.max_steps for job in jobs} == {2}
    assert {job.config.trainer.logging_steps for job in jobs} == {1}
    assert len(composed("-m", f"experiment={name}")) == RUNS[name]


def test_every_arm_of_tuning_method_has_the_same_update():
    jobs = composed("-m", "experiment=tuning_method")
    assert {(j.config.lora.r, j.config.lora.lora_alpha, j.config.lora.lora_dropout)
            for j in jobs} == {(16, 16.0, 0.0)}  # fmt: skip
    assert [(j.config.lora.use_dora, j.config.lora.load_in_4bit) for j in jobs] == [
        (False, False), (True, False), (False, True)
    ]  # fmt: skip


def test_forgetting_and_domains_carry_test_sets_of_their_own():
    assert all(set(job.config.evaluation.also) == {"medical", "legal", "technical"}
               for job in composed("-m", "experiment=domains"))  # fmt: skip
    assert all(set(job.config.evaluation.also) == {"general"}
               for job in composed("-m", "experiment=forgetting"))  # fmt: skip


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_has_exactly_its_values(name):
    for job in composed("-m", f"experiment={name}"):
        told = job.config.model_dump()
        found = {key: told[key.partition(".")[0]][key.partition(".")[2]] for key in STUDIES[name]}
        assert found == STUDIES[name]


def test_the_conversations_come_from_two_sources_of_15000():
    (job,) = composed("-m", "experiment=llama3b_chat")
    assert [(part.dataset, part.sample, part.share) for part in job.config.data.mix] == [
        ("mlabonne/FineTome-100k", 15000, None),
        ("WizardLMTeam/WizardLM_evol_instruct_70k", 15000, None),
    ]


def test_english_to_tamil_is_tuned_in_three_ways():
    jobs = composed("-m", "experiment=nllb_en_ta")
    tuned = [(job.config.lora.method, job.config.lora.load_in_4bit) for job in jobs]
    assert tuned == [("none", False), ("lora", False), ("lora", True)]


SYNTHETIC = ("data.synthetic_file=synthetic/qwen_de_fr", "data.synthetic_share=0,1,null")


def test_synthetic_arms_come_with_a_file():
    (alone,) = composed("-m", "experiment=qwen_de_fr")
    assert (alone.config.data.synthetic_file, alone.config.data.synthetic_share) == (None, None)
    jobs = composed("-m", "experiment=qwen_de_fr", *SYNTHETIC)
    assert [job.config.data.synthetic_share for job in jobs] == [0, 1, None]
    assert {job.config.data.synthetic_file for job in jobs} == {"synthetic/qwen_de_fr"}


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_a_study_runs_on_stand_ins(here, hub, hub_datasets, name):
    few = ["data.test_size=6", "data.dev_size=4", "data.size=20", "tracking=none"]
    if name == "qwen_de_fr":
        made = here / "synthetic" / "qwen_de_fr"
        made.mkdir(parents=True)
        rows = [{"source": f"Satz Nummer {n}", "target": f"phrase numéro {n}"} for n in range(20)]
        (made / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        few.extend(SYNTHETIC)
    events = work("-m", f"experiment={name}", "trainer=smoke", "decoding.max_new_tokens=8", *few)
    assert outcomes(events) == ["finished"] * ARMS.get(name, 1), events


@pytest.mark.slow
def test_prompts_are_compared_on_a_small_model(here):
    few = ["data.test_size=6", "data.dev_size=4", "data.size=20", "tracking=none", "lora.r=2"]
    small = ["model=tiny_causal", "trainer=smoke", "decoding.max_new_tokens=8", *few]
    events = work("-m", "experiment=prompting", *small)
    assert outcomes(events) == ["finished"] * 4, events
    found = {record.config["prompt"]["name"]: record for _, record in records(here / "runs")
             if record.kind == "base"}  # fmt: skip
    assert set(found) == {"brief", "few_shot", "retrieval"}
    assert len({record.data["test_fingerprint"] for record in found.values()}) == 1
