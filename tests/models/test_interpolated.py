"""Weights between the untouched model and a tuned one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mtsweep.config import LoraConfig
from mtsweep.models.adapters import adapted, interpolated, merged
from tests.inprocess import outcomes, work
from tests.overrides import problems_of
from tests.small import small_base
from tests.test_tune import FEW, hypotheses


def logits(model) -> torch.Tensor:
    ids = torch.arange(3, 12)[None]
    given = {"decoder_input_ids": ids} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        return model(input_ids=ids, **given).logits


def stirred(model) -> None:
    """As if it had been trained."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for each in model.parameters():
            if each.requires_grad:
                each.add_(torch.randn(each.shape, generator=generator) * 0.05)


@pytest.mark.parametrize("name", ["tiny_causal", "tiny_seq2seq"])
def test_whole_weights_are_mixed_one_by_one(name):
    base, untouched = small_base(name), small_base(name)
    stirred(base.model)
    tuned = {key: value.clone() for key, value in base.model.named_parameters()}
    with interpolated(base.model, 0.25, lambda: untouched):
        mixed = dict(base.model.named_parameters())
        for key, old in untouched.model.named_parameters():
            assert torch.allclose(mixed[key], 0.75 * old + 0.25 * tuned[key], atol=1e-6)


@pytest.mark.parametrize("method", ["lora", "none"])
@pytest.mark.parametrize("name", ["tiny_causal", "tiny_seq2seq"])
def test_nothing_of_the_tuning_is_the_untouched_model_and_all_of_it_the_tuned_one(name, method):
    base, untouched = small_base(name), small_base(name)
    before = logits(untouched.model)
    with adapted(base, LoraConfig(method=method, r=4), 1, None) as model:
        model.eval()
        stirred(model)
        after = logits(model)
        assert not torch.allclose(before, after, atol=1e-3)
        with interpolated(model, 1.0, lambda: pytest.fail("loaded for nothing")), merged(model):
            assert torch.allclose(logits(model), after, atol=1e-4)
        with interpolated(model, 0.0, lambda: untouched), merged(model):
            assert torch.allclose(logits(model), before, atol=1e-6)


@pytest.mark.parametrize("name", ["tiny_causal", "tiny_seq2seq"])
def test_an_update_is_scaled_and_comes_back(name):
    base = small_base(name)
    with adapted(base, LoraConfig(method="lora", r=4), 1, None) as model:
        model.eval()
        stirred(model)
        after = logits(model)
        with interpolated(model, 0.5, lambda: pytest.fail("an update needs no other model")):
            half = logits(model)
            with merged(model):
                assert torch.allclose(logits(model), half, atol=1e-4)
        assert not torch.allclose(half, after, atol=1e-3)
        assert logits(model).equal(after)


def test_a_decomposed_update_has_no_share():
    [problem] = problems_of({"lora": "dora", "evaluation.interpolate": 0.5})
    assert problem.key == "evaluation.interpolate"
    assert "use lora=lora" in problem.complaint


@pytest.mark.slow
@pytest.mark.parametrize("lora", ["none", "lora"])
def test_shares_are_scored_over_one_training(here: Path, lora):
    events = work("-m", "model=tiny_causal", f"lora={lora}", "evaluation.interpolate=0,0.5,1", *FEW)
    assert outcomes(events) == ["finished"] * 3, events
    told = [
        (path.parent, json.loads(path.read_text(encoding="utf-8")))
        for path in here.glob("runs/*/record.json")
    ]
    shares = {
        record["config"]["evaluation"]["interpolate"]: (folder, record)
        for folder, record in told
        if record["kind"] == "run"
    }
    [base] = [folder for folder, record in told if record["kind"] == "base"]
    assert sorted(shares) == [0.0, 0.5, 1.0]
    assert len({record["train_id"] for _, record in shares.values()}) == 1
    assert len(list(here.glob("runs/*/*/*model.safetensors"))) == 1
    assert hypotheses(shares[0.0][0]) == hypotheses(base)
    assert hypotheses(shares[1.0][0]) != hypotheses(base)
    assert all(record["cost"]["seconds_per_step"] > 0 for _, record in shares.values())
