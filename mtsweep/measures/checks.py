"""What the metrics of a run need, and what of them changes a result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mtsweep.config import EvaluationConfig
from mtsweep.errors import UserError
from mtsweep.measures.counters import refusal
from mtsweep.measures.tokens import bleu_tokenizer

_ALWAYS = {"13a", "zh"}
"""Tokenizers that runs had before there was a choice: ids stay what they were."""


def check(asked: EvaluationConfig, target_langs: Iterable[str]) -> None:
    """See that every metric can be counted here.

    Args:
        asked: Of a run.
        target_langs: Of its test sets.

    Raises:
        UserError: if one cannot, with the remedy.
    """
    for name in asked.metrics:
        for language in dict.fromkeys(target_langs):
            if told := refusal(name, language, asked.bleu_tokenizer):
                raise UserError(f"evaluation.metrics: {told}")


def identity(asked: EvaluationConfig, target_langs: Iterable[str]) -> dict[str, Any]:
    """What belongs to the id of a run beside the names of its metrics."""
    used = sorted({bleu_tokenizer(language, asked.bleu_tokenizer) for language in target_langs})
    unusual = "bleu" in asked.metrics and not set(used) <= _ALWAYS
    if asked.bleu_tokenizer == "auto":
        return {"bleu_tokenizer": used} if unusual else {}
    return {"bleu_tokenizer": used} if "bleu" in asked.metrics else {}
