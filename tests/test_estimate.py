"""What a run is expected to take, held against models that are built, and against finished runs."""

from __future__ import annotations

import pytest

from mtsweep import estimate as estimates
from mtsweep.estimate import Correction, Estimate, correction, kind, shape
from mtsweep.estimate.memory import kept_bytes
from mtsweep.models.locate import locate
from tests.overrides import config
from tests.records import record
from tests.small import small_base

SMOLLM2 = {
    "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152,
    "tie_word_embeddings": True,
}  # fmt: skip
"""SmolLM2-135M's own figures."""

LLAMA_3_2_1B = {
    "model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256,
    "tie_word_embeddings": True,
}  # fmt: skip

MARIAN = {
    "model_type": "marian", "is_encoder_decoder": True, "d_model": 512, "encoder_layers": 6,
    "decoder_layers": 6, "encoder_ffn_dim": 2048, "decoder_ffn_dim": 2048, "vocab_size": 65001,
    "max_position_embeddings": 512,
}  # fmt: skip

NLLB_600M = {
    "model_type": "m2m_100", "is_encoder_decoder": True, "d_model": 1024, "encoder_layers": 12,
    "decoder_layers": 12, "encoder_ffn_dim": 4096, "decoder_ffn_dim": 4096, "vocab_size": 256206,
}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "millions"),
    [(SMOLLM2, 134.5), (LLAMA_3_2_1B, 1235.8)],
    ids=["SmolLM2-135M", "Llama-3.2-1B"],
)
def test_parameters_of_published_models_are_counted_to_a_thousandth(model, millions):
    assert shape(model).parameters / 1e6 == pytest.approx(millions, rel=1e-3)


@pytest.mark.parametrize("given", [SMOLLM2, LLAMA_3_2_1B, MARIAN, NLLB_600M])
def test_parameters_are_those_of_the_model_that_transformers_builds(given):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    told = AutoConfig.for_model(**given)
    factory = AutoModelForSeq2SeqLM if given.get("is_encoder_decoder") else AutoModelForCausalLM
    with torch.device("meta"):
        built = factory.from_config(told)
    # Positions, norms and biases are left out: below a hundredth.
    assert shape(given).parameters == pytest.approx(built.num_parameters(), rel=0.01)


@pytest.mark.parametrize("name", ["tiny_causal", "tiny_seq2seq"])
def test_parameters_and_updates_are_those_of_a_model_in_memory(name):
    base = small_base(name)
    located = locate(config({"model": name}).model)
    size = shape(located.config)
    assert size.parameters == pytest.approx(base.model.num_parameters(), rel=0.05)
    sides = sum(
        module.in_features + module.out_features
        for path, module in base.model.named_modules()
        if type(module).__name__ == "Linear" and not path.endswith("lm_head")
    )
    assert size.sides == sides


def run_of(corpus, **changes) -> Estimate:
    told = {key.replace("__", "."): value for key, value in changes.items()}
    return estimates.estimate(
        config({"model": "causal", "model.name": "a/b", **told}), SMOLLM2, corpus
    )


@pytest.fixture(scope="module")
def corpus():
    from mtsweep import data

    return data.load(config().data)


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def test_what_takes_more_is_expected_to_take_more(corpus):
    plain = run_of(corpus)
    assert run_of(corpus, lora__r=64).memory > plain.memory
    assert run_of(corpus, lora="none").memory > run_of(corpus, lora__r=64).memory
    assert run_of(corpus, lora="qlora").memory < plain.memory
    assert run_of(corpus, trainer__gradient_checkpointing=True).memory < plain.memory
    assert run_of(corpus, trainer__per_device_train_batch_size=32).memory > plain.memory
    assert run_of(corpus, decoding="beam").seconds > plain.seconds
    assert run_of(corpus, trainer__max_steps=5000).seconds > plain.seconds
    assert run_of(corpus, lora__r=16).disk == 2 * run_of(corpus, lora__r=8).disk


def test_adapters_on_disk_are_four_bytes_a_parameter(corpus):
    assert run_of(corpus, lora__r=8).disk == 4 * 8 * shape(SMOLLM2).sides


def past(memory: float, seconds: float) -> object:
    made = record()
    cost = made.cost.model_copy(
        update={"peak_memory_bytes": 4000, "seconds_train": 20.0, "seconds_evaluate": 4.0}
    )
    return made.model_copy(
        update={"cost": cost, "estimate": {"memory": memory, "seconds": seconds}}
    )


def test_finished_runs_correct_both_figures_by_their_median():
    told = correction([past(2000, 24.0), past(1000, 12.0), past(2000, 8.0)])
    assert told.of(Estimate(1000, 10.0, 7)) == Estimate(2000, 20.0, 7)


def test_records_without_an_estimate_correct_nothing():
    assert correction([record()]) == correction([]) == Correction()
    assert Correction().of(Estimate(1000, 10.0, 7)) == Estimate(1000, 10.0, 7)


def test_runs_tell_of_each_other_by_model_tuning_and_bits():
    plain = config({"model": "tiny_causal"}).model_dump()
    assert kind(plain) == kind(config({"model": "tiny_causal", "lora.r": 64}).model_dump())
    for other in (
        {"model": "tiny_seq2seq", "trainer": "seq2seq"},
        {"lora": "none"},
        {"lora": "qlora"},
    ):
        assert kind(plain) != kind(config({"model": "tiny_causal", **other}).model_dump())


def test_a_record_says_how_far_the_estimate_was_off():
    assert estimates.missed(past(2000, 48.0)) == "memory 2.0 x, time 0.5 x of the estimate"
    assert estimates.missed(record()) == ""


SMALL = {
    "causal": {
        "model_type": "llama", "hidden_size": 256, "intermediate_size": 1024, "vocab_size": 500,
        "num_attention_heads": 8, "num_key_value_heads": 2, "num_hidden_layers": 2,
    },
    "seq2seq": {
        "model_type": "m2m_100", "is_encoder_decoder": True, "d_model": 256, "vocab_size": 500,
        "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 1024, "decoder_ffn_dim": 1024,
        "encoder_attention_heads": 8, "decoder_attention_heads": 8, "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0, "attention_dropout": 0.0,
    },
}  # fmt: skip
"""Without dropout of attention, for which a CPU keeps whole matrices and a GPU does not."""


def kept(given, dropout: float, tokens: int, *, whole: bool, half: bool) -> int:
    """Bytes that the backward pass of a model needs, parameters apart."""
    import contextlib

    import torch
    from peft import LoraConfig, get_peft_model
    from torch.autograd.graph import saved_tensors_hooks
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    from mtsweep.training.compact import no_casts_behind_autocast

    factory = AutoModelForSeq2SeqLM if given.get("is_encoder_decoder") else AutoModelForCausalLM
    narrow = torch.bfloat16 if half and not whole else torch.float32
    model = factory.from_config(AutoConfig.for_model(**given), dtype=narrow)
    if not whole:
        model = get_peft_model(
            model, LoraConfig(r=4, target_modules="all-linear", lora_dropout=dropout)
        )
    ours = {each.untyped_storage().data_ptr() for each in model.parameters()}
    found: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        found[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    ids = torch.arange(tokens).view(1, -1) + 5
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if given.get("is_encoder_decoder"):
        batch["decoder_input_ids"] = ids
    narrowed = torch.autocast("cpu", torch.bfloat16) if half else contextlib.nullcontext()
    with saved_tensors_hooks(keep, lambda tensor: tensor), narrowed, no_casts_behind_autocast():
        model.train()(**batch)
    return sum(each.untyped_storage().nbytes() for at, each in found.items() if at not in ours)


@pytest.mark.parametrize("half", [True, False], ids=["16 bits", "32 bits"])
@pytest.mark.parametrize("way", ["lora", "dropout", "whole"])
@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
def test_what_a_backward_pass_needs_is_known_within_a_quarter(kind, way, half):
    given = SMALL[kind]
    dropout, whole = 0.05 if way == "dropout" else 0.0, way == "whole"
    more = kept(given, dropout, 96, whole=whole, half=half)
    grown = (more - kept(given, dropout, 32, whole=whole, half=half)) / 64
    sides = 2 if kind == "seq2seq" else 1  # so many tokens passed through either side
    told = config(
        {
            "model": kind,
            "model.name": "a/b",
            "trainer": "seq2seq" if kind == "seq2seq" else "quick",
            "lora": "none" if whole else "lora",
            **({} if whole else {"lora.lora_dropout": dropout}),
        }
    )
    expected = sides * kept_bytes(shape(given), told, on_gpu=half)
    assert grown == pytest.approx(expected, rel=0.25)


def test_a_small_model_on_a_gpu_takes_as_long_as_its_kernels_take_to_be_launched(
    corpus, monkeypatch
):
    from mtsweep import device

    gpu = device.Gpu("0", "H100", 80 << 30, 80 << 30)
    monkeypatch.setattr(device, "gpus", lambda: (gpu,))
    few, many = (run_of(corpus, trainer__per_device_train_batch_size=size) for size in (1, 4))
    assert few.seconds == many.seconds
    layers, steps = SMOLLM2["num_hidden_layers"], config().trainer.max_steps
    assert few.seconds - few.scoring == pytest.approx(0.005 * layers * steps)
    assert run_of(corpus, trainer__per_device_train_batch_size=4096).seconds > many.seconds
