"""Every experiment says what it asks, and comes to valid runs."""

from __future__ import annotations

import pytest
import yaml

from tests.overrides import CONF, composed

FILES = sorted((CONF / "experiment").glob("*.yaml"))
RUNS = {"data_size": 4, "domains": 3, "forgetting": 4, "lora_rank": 4, "tuning_method": 3}


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
