"""What the metrics of a run need, and what of them changes a result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mtsweep.config import EvaluationConfig
from mtsweep.errors import UserError
from mtsweep.measures.counters import comet_refusal, refusal
from mtsweep.measures.tokens import bleu_tokenizer

_ALWAYS = {"13a", "zh"}
"""Tokenizers that runs had before there was a choice: ids stay what they were."""


def check(asked: EvaluationConfig, target_langs: Iterable[str], chosen: str | None = None) -> None:
    """See that every metric can be counted here.

    Args:
        asked: Of a run.
        target_langs: Of its test sets.
        chosen: What its dev set is translated for (``trainer.metric_for_best_model``). BLEU needs
            nothing there: it takes characters where no tool finds words.

    Raises:
        UserError: if one cannot, with the remedy.
    """
    for language in dict.fromkeys(target_langs):
        for name in asked.metrics:
            if told := refusal(name, language, asked.bleu_tokenizer):
                raise UserError(f"evaluation.metrics: {told}")
        if chosen is not None and chosen != "bleu" and (told := refusal(chosen, language)):
            raise UserError(f"trainer.metric_for_best_model: {told}")
    if "comet" in asked.metrics and (told := comet_refusal(asked.comet_python)):
        raise UserError(told if asked.comet_python else f"evaluation.metrics: {told}")


def identity(asked: EvaluationConfig, target_langs: Iterable[str]) -> dict[str, Any]:
    """What belongs to the id of a run beside the names of its metrics."""
    model = {"comet_model": asked.comet_model} if "comet" in asked.metrics else {}
    used = sorted({bleu_tokenizer(language, asked.bleu_tokenizer) for language in target_langs})
    unusual = "bleu" in asked.metrics and not set(used) <= _ALWAYS
    told = unusual if asked.bleu_tokenizer == "auto" else "bleu" in asked.metrics
    return {**model, "bleu_tokenizer": used} if told else model
