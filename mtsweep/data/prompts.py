"""How a decoder-only model is asked to translate: a template, with languages called by name."""

from __future__ import annotations

from mtsweep import languages
from mtsweep.config import PromptConfig


def render(prompt: PromptConfig, source_lang: str, target_lang: str, text: str) -> str:
    """The request for one text; where the translation follows, the prompt ends."""
    return prompt.template.format(
        source=languages.name(source_lang), target=languages.name(target_lang), text=text
    )
