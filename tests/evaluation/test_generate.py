"""Generation in batches gives what generation one by one gives, in the order asked for."""

from __future__ import annotations

import pytest
import torch

from mtsweep import interruption
from mtsweep.config import DecodingConfig, LoraConfig
from mtsweep.data.pairs import Pair
from mtsweep.evaluation.generate import (
    _greedy,
    _search,
    generate,
    generation_config,
    hypothesis,
    max_new_tokens,
)
from mtsweep.models.adapters import adapted, merged
from tests.small import PROMPT, small_base

GREEDY = DecodingConfig(name="greedy")

SOURCES = [
    "Good morning.",
    "The train to Madrid leaves from platform nine in ten minutes.",
    "Where is it?",
    "I have lost my aligner tray and do not know what to do.",
    "Thanks a lot!",
]


@pytest.mark.parametrize("name", ["tiny_causal", "tiny_seq2seq"])
@pytest.mark.parametrize("beams", [1, 3])
def test_batches_change_neither_texts_nor_their_order(name, beams):
    base = small_base(name)
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    outputs = [
        generate(
            base.model,
            codec,
            SOURCES,
            DecodingConfig(name="x", num_beams=beams, batch_size=size),
            limit=10,
        )
        for size in (1, 2, 5)
    ]
    assert outputs[0] == outputs[1] == outputs[2]
    assert all(each.tokens <= 10 for each in outputs[0])


def test_an_output_that_reaches_the_limit_did_not_stop():
    base = small_base("tiny_causal")
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    told = generate(base.model, codec, SOURCES, DecodingConfig(name="x"), limit=3)
    assert [each.stopped for each in told] == [each.tokens < 3 for each in told]


@pytest.mark.parametrize("name", ["tiny_causal", "tiny_seq2seq"])
def test_each_text_may_have_a_limit_of_its_own(name):
    base = small_base(name)
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    limits = [3, 9, 1, 6, 2]
    apart = [
        generate(base.model, codec, [text], GREEDY, limit)[0]
        for text, limit in zip(SOURCES, limits, strict=True)
    ]
    assert generate(base.model, codec, SOURCES, GREEDY, limits) == apart
    assert all(each.tokens <= limit for each, limit in zip(apart, limits, strict=True))


def test_progress_counts_every_text_once():
    base = small_base("tiny_causal")
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    seen: list[int] = []
    decoding = DecodingConfig(name="x", batch_size=2)
    generate(base.model, codec, SOURCES, decoding, limit=2, advance=seen.append)
    assert seen == [1, 2, 3, 4, 5]


def test_the_limit_follows_the_longest_known_target_unless_it_is_given():
    base = small_base("tiny_causal")
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    pairs = [Pair("1", "a", "uno dos tres", "x", "1"), Pair("2", "b", "uno", "x", "2")]
    longest = len(codec.target_ids("uno dos tres"))
    assert max_new_tokens(DecodingConfig(name="x"), pairs, codec) == int(1.25 * longest) + 4
    assert max_new_tokens(DecodingConfig(name="x", max_new_tokens=5), pairs, codec) == 5


def test_the_models_own_sampling_and_beams_are_overruled():
    base = small_base("tiny_causal")
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    decoding = DecodingConfig(name="x")
    before = generate(base.model, codec, SOURCES, decoding, limit=6)
    base.model.generation_config.do_sample = True
    base.model.generation_config.temperature = 5.0
    base.model.generation_config.num_beams = 4
    assert generate(base.model, codec, SOURCES, decoding, limit=6) == before


def _stir(model: torch.nn.Module) -> None:
    """Make a model that knows nothing say many things, rather than one token for ever."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.normal_(std=0.5, generator=torch.Generator().manual_seed(1))


def test_texts_that_are_done_leave_the_batch_and_change_nothing_for_the_others():
    base = small_base("tiny_causal")
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    _stir(base.model)
    texts = [f"{'word ' * (1 + number % 5)}{number}" for number in range(24)]
    batch = codec.tokenizer.pad(
        {"input_ids": [codec.source_ids(text) for text in texts]},
        padding_side="left",
        return_tensors="pt",
    )
    config = generation_config(base.model, codec, GREEDY, 20)
    # A model that knows nothing rarely stops; with every ninth token as an end it does, here and
    # there, and some texts reach the limit.
    config.eos_token_id = list(range(0, 2048, 9))
    limits = [20 - number % 3 for number in range(24)]
    together = dict(_search(base.model, config, batch, limits, causal=True))
    apart = dict(_greedy(base.model, config, batch, limits))
    said = [
        [hypothesis(ids[place], codec, config) for place in range(len(texts))]
        for ids in (together, apart)
    ]
    assert said[0] == said[1]
    assert len({hypothesis.tokens for hypothesis in said[0]}) > 3


@pytest.mark.parametrize("dora", [False, True])
def test_a_merged_update_says_the_same_and_leaves_the_very_same_weights(dora):
    lora = LoraConfig(method="lora", r=4, use_dora=dora)
    base = small_base("tiny_causal", lora)
    _stir(base.model)
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    texts = [f"word {number}" for number in range(6)]
    before = {name: (tensor, tensor.clone()) for name, tensor in base.model.state_dict().items()}
    with adapted(base, lora, 1, None) as model:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.5, generator=torch.Generator().manual_seed(1))
        apart = generate(model, codec, texts, GREEDY, 12)
        with merged(model):
            assert any(getattr(module, "merged", False) for module in model.modules())
            assert generate(model, codec, texts, GREEDY, 12) == apart
        assert generate(model, codec, texts, GREEDY, 12) == apart
    untouched = generate(base.model, codec, texts, GREEDY, 12)
    assert untouched != apart
    for name, tensor in base.model.state_dict().items():
        old, copy = before[name]
        assert tensor.data_ptr() == old.data_ptr()
        assert tensor.equal(copy)


def test_a_model_in_4_bits_is_never_merged():
    lora = LoraConfig(method="lora", r=4, load_in_4bit=True)
    base = small_base("tiny_causal", lora)
    with adapted(base, lora, 1, None) as model, merged(model):
        assert not any(getattr(module, "merged", False) for module in model.modules())


def test_an_interruption_ends_a_search_at_its_next_token():
    base = small_base("tiny_causal")
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    interruption.ask()
    try:
        with pytest.raises(interruption.Interrupted):
            generate(base.model, codec, ["word"], GREEDY, 12)
    finally:
        interruption._asked.clear()
