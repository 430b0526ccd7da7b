"""The YAML that the hub reads at the head of a card."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtsweep import languages
from mtsweep.card.licences import UNKNOWN
from mtsweep.card.subject import Format, Subject
from mtsweep.config import tuning
from mtsweep.scores import LABELS

_METRICS = {
    "bleu": "sacrebleu",
    "chrf": "chrf",
    "chrf++": "chrf",
    "ter": "ter",
    "rouge": "rouge",
    "meteor": "meteor",
    "comet": "comet",
    "eval_loss": "loss",
    "perplexity": "perplexity",
    "mean_token_accuracy": "accuracy",
}
"""Our metrics to the hub's identifiers."""
_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9.-]*")


def metadata(subject: Subject, name: str, shipped: Format, licence: str) -> str:
    """The block between the lines ``---``.

    Args:
        subject: The run.
        name: ``owner/name`` on the hub.
        shipped: What stands there.
        licence: Of what ships: an identifier of the hub, another name, or ``unknown``.
    """
    from huggingface_hub import ModelCardData

    peft = shipped == "peft"
    plain = bool(_IDENTIFIER.fullmatch(licence))
    relation = ("adapter" if peft else "finetune") if subject.base_model else None
    told: Any = ModelCardData(
        language=_languages(subject),
        license=licence if plain else "other",
        license_name=None if plain else licence,
        library_name="peft" if peft else "transformers",
        pipeline_tag="text-generation" if subject.is_chat else "translation",
        base_model=subject.base_model,
        base_model_relation=relation,
        datasets=_datasets(subject) or None,
        tags=_tags(subject),
        metrics=list(dict.fromkeys(_METRICS[each] for each in subject.record.scores)),
        model_name=name.rpartition("/")[2],
        eval_results=list(_results(subject)),
    )
    return told.to_yaml()


def _languages(subject: Subject) -> list[str]:
    codes = [code for pair in subject.pairs for code in pair]
    return list(dict.fromkeys(languages.iso(code) for code in codes))


def _datasets(subject: Subject) -> list[str]:
    data = subject.config.data
    named = [each.dataset for each in (data, *data.mix) if each.source == "hub" and each.dataset]
    return [name for name in dict.fromkeys(named) if not Path(name).expanduser().is_dir()]


def _tags(subject: Subject) -> list[str]:
    own = tuning(subject.config.lora.model_dump())
    pairs = [] if subject.is_chat else [f"{languages.iso(a)}-{languages.iso(b)}"
                                        for a, b in subject.pairs]  # fmt: skip
    kind = "conversational" if subject.is_chat else "translation"
    return ["mtsweep", kind, own if own != "full" else "full-fine-tuning", *pairs]


def _results(subject: Subject) -> Iterator[Any]:
    """Scores on the main and on further test sets."""
    from huggingface_hub import EvalResult

    record, data = subject.record, subject.config.data
    kind, title = (
        ("text-generation", "Conversation") if subject.is_chat else ("translation", "Translation")
    )
    if not subject.is_chat and len(subject.pairs) == 1:
        one, other = (languages.name(code) for code in subject.pairs[0])
        title = f"Translation {one} to {other}"
    hub = data.dataset if data.source == "hub" and data.dataset in _datasets(subject) else None
    for name, scores in {"test": record.scores, **record.also}.items():
        main = name == "test"
        called = data.name if main else name
        for metric, score in scores.items():
            yield EvalResult(
                task_type=kind,
                task_name=title,
                dataset_type=(hub if main else None) or _slug(called),
                dataset_name=called if main else f"{called} (further test set)",
                dataset_config=data.config if main and hub else None,
                dataset_split="test",
                metric_type=_METRICS[metric],
                metric_name=LABELS[metric],
                metric_value=round(score.value, 4),
                metric_args={
                    "signature": score.signature,
                    "segments": score.segments,
                    "low": score.low and round(score.low, 4),
                    "high": score.high and round(score.high, 4),
                },
                verified=False,
            )


def _slug(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).strip("-") or UNKNOWN
