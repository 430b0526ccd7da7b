"""Generation in batches gives what generation one by one gives, in the order asked for."""

from __future__ import annotations

import pytest

from mtsweep.config import DecodingConfig
from mtsweep.data.pairs import Pair
from mtsweep.evaluation.generate import generate, max_new_tokens
from tests.small import PROMPT, small_base

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


def test_progress_counts_every_text_once():
    base = small_base("tiny_causal")
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    seen: list[int] = []
    decoding = DecodingConfig(name="x", batch_size=2)
    generate(base.model, codec, SOURCES, decoding, limit=2, advance=seen.append)
    assert seen == [2, 4, 5]


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
