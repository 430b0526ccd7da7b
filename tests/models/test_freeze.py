"""What ``model.freeze`` leaves alone stays, bit by bit, and everything else is trained."""

from __future__ import annotations

import pytest

from mtsweep.config import LoraConfig, ModelConfig, TrainerConfig
from mtsweep.data.pairs import Corpus, Pair
from mtsweep.estimate import estimate
from mtsweep.models.adapters import adapted
from mtsweep.models.locate import locate
from mtsweep.training import fit
from tests.overrides import config
from tests.small import PROMPT, small_base
from tests.training.test_fit import Heard

PAIRS = tuple(Pair(str(n), f"one {n}", f"uno {n}", "x", str(n)) for n in range(8))
CORPUS = Corpus("eng_Latn", "spa_Latn", PAIRS, PAIRS[:2], PAIRS[:2], 8, PAIRS, {})
TRAINER = TrainerConfig(learning_rate=1e-2, max_steps=2, per_device_train_batch_size=4)

STAYS = {
    ("tiny_causal", ("embeddings",)): ("model.embed_tokens",),
    ("tiny_causal", ("layers:1",)): ("model.layers.0.",),
    ("tiny_causal", ("embeddings", "layers:1")): ("model.embed_tokens", "model.layers.0."),
    ("tiny_seq2seq", ("encoder",)): ("model.encoder.",),
    ("tiny_seq2seq", ("embeddings", "encoder")): ("model.encoder.", "model.shared"),
    ("tiny_seq2seq", ("layers:1",)): ("model.encoder.layers.0.", "model.decoder.layers.0."),
}


def model_config(name: str, parts: tuple[str, ...]) -> ModelConfig:
    kind = "causal" if name == "tiny_causal" else "seq2seq"
    return ModelConfig(name=name, kind=kind, source="tiny", dtype="float32", freeze=parts)


@pytest.mark.parametrize(("name", "parts"), STAYS)
def test_frozen_weights_stay_bit_for_bit_and_all_others_learn(name, parts, tmp_path):
    base = small_base(name)
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    before = {key: value.clone() for key, value in base.model.named_parameters()}
    told = model_config(name, parts)
    with adapted(base, LoraConfig(method="none"), 1, None, told) as model:
        fitted = fit(model, codec, CORPUS, TRAINER, 1, tmp_path, Heard())
    same = {key for key, value in base.model.named_parameters() if value.equal(before[key])}
    assert same == {key for key in before if key.startswith(STAYS[name, parts])}
    assert same
    assert fitted.trainable_parameters == sum(
        value.numel() for key, value in before.items() if key not in same
    )


@pytest.mark.parametrize(("name", "parts"), STAYS)
def test_an_adapter_has_nothing_on_frozen_layers(name, parts):
    base = small_base(name)
    with adapted(base, LoraConfig(method="lora", r=2), 1, None, model_config(name, parts)) as model:
        adapters = [key for key, _ in model.named_parameters() if "lora_" in key]
    assert adapters
    assert not [key for key in adapters if key.split("base_model.model.")[1].startswith(
        STAYS[name, parts])]  # fmt: skip


@pytest.mark.parametrize("method", ["none", "lora"])
@pytest.mark.parametrize(("name", "parts"), STAYS)
def test_the_plan_counts_what_is_trained(name, parts, method):
    told = config({
        "model": name, "model.freeze": list(parts), "lora.method": method,
        "trainer": "quick" if name == "tiny_causal" else "seq2seq",
    })  # fmt: skip
    base = small_base(name)
    with adapted(base, told.lora, 1, None, told.model) as model:
        trained = sum(each.numel() for each in model.parameters() if each.requires_grad)
    expected = estimate(told, locate(told.model).config, CORPUS).trained
    assert expected == pytest.approx(trained, rel=0.0 if method == "lora" else 0.05)


def test_frozen_weights_are_frozen_in_an_adapter_that_is_loaded_again(tmp_path):
    base, told = small_base("tiny_causal"), model_config("tiny_causal", ("layers:1",))
    lora = LoraConfig(method="lora", r=2)
    with adapted(base, lora, 1, None, told) as model:
        model.save_pretrained(tmp_path)
        trained = {key for key, _ in model.named_parameters()}
    with adapted(base, lora, 1, tmp_path, told) as model:
        assert {key for key, _ in model.named_parameters()} == trained
