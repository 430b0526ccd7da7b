"""What a model's own settings force at the limit is no stop."""

from __future__ import annotations

import pytest

from mtsweep.config import DecodingConfig
from mtsweep.evaluation.generate import generate
from tests.small import PROMPT, small_base


@pytest.mark.parametrize("beams", [1, 2])
def test_an_output_that_is_cut_off_did_not_stop(beams):
    base = small_base("tiny_seq2seq")
    own = base.model.generation_config
    own.forced_eos_token_id, own.max_length = base.tokenizer.eos_token_id, 200
    codec = base.codec(("eng_Latn", "spa_Latn"), PROMPT)
    decoding = DecodingConfig(name="x", num_beams=beams)
    (said,) = generate(base.model, codec, ["Where does it hurt?"], decoding, 5)
    assert (said.tokens, said.stopped) == (5, False)
    assert (own.forced_eos_token_id, own.max_length) == (base.tokenizer.eos_token_id, 200)
