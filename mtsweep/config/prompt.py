"""How a decoder-only model is asked."""

from __future__ import annotations

import string
from typing import Annotated, Literal

from pydantic import AfterValidator, NonNegativeInt

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
    shots: NonNegativeInt = 0
    """Training pairs shown as examples before each text, in the same template (with ``chat`` as
    turns). Never the text's own pair, never one of dev or test. Fewer, and counted, where text,
    examples and an answer of twice the text do not fit into ``trainer.max_length``."""
    choice: Literal["fixed", "nearest"] = "fixed"
    """Which ones: the first training pairs, the same for every text; or those with the source texts
    nearest to it (BM25 over character 3-grams), the nearest last."""
    one_line: bool = False
    """An answer ends with its first line, as examples show it; else only with the end token. A
    translation of several lines loses all but the first."""

    def identity(self) -> dict[str, object]:
        """What of it trains: what is left at its default names nothing, as before there was it."""
        told: dict[str, object] = {"template": self.template, "chat": self.chat}
        return {**told, "shots": self.shots, "choice": self.choice} if self.shots else told
