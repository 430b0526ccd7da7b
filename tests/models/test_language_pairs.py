"""The preflight over a mix of language pairs, for every family."""

from __future__ import annotations

from typing import Any

import pytest

from mtsweep.data.pairs import Pair
from mtsweep.models.codec import Codec
from mtsweep.training import examples, preflight
from tests.small import PROMPT

FAMILIES: dict[str, Any] = {
    "meta-llama/Llama-3.2-1B": "causal",
    "Qwen/Qwen2-1.5B": "causal",
    "facebook/nllb-200-distilled-600M": "nllb",
    "facebook/m2m100_418M": "m2m100",
    "facebook/mbart-large-50-many-to-many-mmt": "mbart50",
    "Helsinki-NLP/opus-mt-en-mul": "marian",
    "google-t5/t5-small": "t5",
}
EN_DE, EN_TA = ("eng_Latn", "deu_Latn"), ("eng_Latn", "tam_Taml")
PAIRS = [
    Pair("1", "Good morning.", "Buenos días.", "x", "1"),
    Pair("2", "Good morning.", "Guten Morgen.", "x", "1", EN_DE),
    Pair("3", "Good night, my friend.", "Gute Nacht.", "x", "3", EN_DE),
    Pair("4", "Good morning.", "வணக்கம்", "x", "1", EN_TA),
]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_preflight_holds_for_every_pair_of_a_mix(hub, name):
    from transformers import AutoTokenizer

    made = Codec(
        AutoTokenizer.from_pretrained(name), FAMILIES[name], ("eng_Latn", "spa_Latn"), PROMPT
    )
    encode = examples.causal if made.family == "causal" else examples.seq2seq
    rows = [dict(row) for row in encode(PAIRS, made, None)[0]]
    told = preflight.check(PAIRS, rows, _collator(made), made)
    assert told.count("  given ") == 3
    assert made.of(PAIRS[1]) is made.of(PAIRS[2]) is not made
    sources = {tuple(made.of(pair).source_ids("Good morning.")) for pair in PAIRS}
    # Many-to-many models are told the target by its first token, the others before the text.
    many = made.family in {"nllb", "m2m100", "mbart50"}
    assert len(sources) == (1 if many else 3)
    assert len({made.of(pair).forced_bos for pair in PAIRS}) == (3 if many else 1)


def _collator(made: Codec) -> Any:
    if made.family == "causal":
        from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

        pad: Any = made.tokenizer.pad_token_id or made.end
        return DataCollatorForLanguageModeling(pad_token_id=pad)
    from transformers import DataCollatorForSeq2Seq

    return DataCollatorForSeq2Seq(made.tokenizer)
