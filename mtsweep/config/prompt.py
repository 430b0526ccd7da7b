"""How a decoder-only model is asked."""

from __future__ import annotations

import string
from typing import Annotated

from pydantic import AfterValidator

from mtsweep.config.section import Section, refusal


def _template(value: str) -> str:
    try:
        names = {field for _, field, _, _ in string.Formatter().parse(value) if field is not None}
    except ValueError as error:
        raise refusal(str(error)) from error
    if unknown := names - {"source", "target", "text"}:
        listed = ", ".join(f"{{{name}}}" for name in sorted(unknown))
        raise refusal(
            f"no such field: {listed}; a template has {{source}} and {{target}} (language names) "
            "and {text}"
        )
    if "text" not in names:
        raise refusal("the template never shows {text}, the source text")
    return value


class PromptConfig(Section):
    """How a decoder-only model is asked (``conf/prompt/``); encoder-decoders take the bare text."""

    name: str
    template: Annotated[str, AfterValidator(_template)]
    """The request; ``{source}`` and ``{target}`` are language names, ``{text}`` is the text."""
    chat: bool = False
    """Wrap the request into the tokenizer's own chat template."""
