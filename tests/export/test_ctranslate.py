"""CTranslate2 says what transformers says, for every architecture that is converted."""

from __future__ import annotations

from typing import Any

import pytest

from mtsweep.config import DecodingConfig, LoraConfig, ModelConfig, PromptConfig
from mtsweep.evaluation.generate import generate
from mtsweep.export import ctranslate, reload
from mtsweep.models import families
from mtsweep.models.codec import Codec
from mtsweep.models.load import load
from mtsweep.models.locate import locate
from mtsweep.serve.ctranslate import speak

pytestmark = pytest.mark.slow

NAMES = {
    "meta-llama/Llama-3.2-1B": "spa_Latn",
    "Qwen/Qwen2-1.5B": "spa_Latn",
    "facebook/nllb-200-distilled-600M": "spa_Latn",
    "facebook/m2m100_418M": "spa_Latn",
    "Helsinki-NLP/opus-mt-en-de": "deu_Latn",
    "Helsinki-NLP/opus-mt-en-mul": "spa_Latn",
    "facebook/mbart-large-50-many-to-many-mmt": "spa_Latn",
    "google-t5/t5-small": "deu_Latn",
}
TEXTS = [
    "Where does it hurt?",
    "Yes.",
    "My friends are all here, and the train leaves at nine o'clock in the evening.",
    "Thank you very much for the soup.",
    "Is </s> a word?",
]
PROMPT = PromptConfig(name="plain", template="{source}: {text}\n{target}:")
SHARPER = 4.0
"""Times the untrained weights, whose likeliest token would be a matter of rounding."""


@pytest.mark.parametrize("name", NAMES)
def test_the_same_texts_as_transformers(hub, tmp_path, name):
    kind = "causal" if "Llama" in name or "Qwen" in name else "seq2seq"
    config = ModelConfig(name=name, kind=kind, dtype="float32")
    located = locate(config)
    family = families.recognise(located.config, located.tokenizer_config)
    base = load(config, LoraConfig(method="lora"), located, family, lambda _: None)
    model: Any = base.model
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.dim() > 1:
            parameter.data *= SHARPER
    whole, folder = tmp_path / "whole", tmp_path / "converted"
    model.save_pretrained(whole)
    base.tokenizer.save_pretrained(whole)
    model = type(model).from_pretrained(whole).eval()
    ctranslate.of_whole(whole, folder, None)
    converted = reload.converted(family, folder)
    languages = "eng_Latn", NAMES[name]
    decoding = DecodingConfig(name="x", batch_size=3)
    limits = [10, 4, 12, 7, 9]
    codec = Codec(base.tokenizer, family, languages, PROMPT)
    wanted = generate(model, codec, TEXTS, decoding, limits)
    again = Codec(converted.tokenizer, family, languages, PROMPT)
    said = speak(converted.model, again, TEXTS, decoding, limits)
    assert said == wanted
    assert len({each.tokens for each in said}) > 1
