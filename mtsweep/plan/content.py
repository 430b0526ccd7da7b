"""What of each section of a configuration counts: the values that can change a result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtsweep import measures
from mtsweep.config import LoraConfig, ModelConfig, RunConfig, TrainerConfig
from mtsweep.data.devset import without_test
from mtsweep.data.pairs import Corpus
from mtsweep.data.shots import Shots
from mtsweep.models import families
from mtsweep.models.locate import Located
from mtsweep.scores import CHAT

_SHOWN_ONLY = {
    "logging_steps", "logging_dir", "logging_strategy", "logging_first_step", "log_level",
    "disable_tqdm", "save_total_limit", "save_strategy", "save_steps", "dataloader_num_workers",
    "dataloader_pin_memory", "per_device_eval_batch_size", "eval_steps", "eval_strategy",
    "skip_memory_metrics", "include_num_input_tokens_seen",
}  # fmt: skip
"""Trainer fields that change what is shown or stored, not what is learnt."""

_CHOICE = ("metric_for_best_model", "early_stopping_patience", "early_stopping_threshold")
"""Trainer fields that count, with all that a choice depends on, where a choice is made."""


def weights(section: ModelConfig, located: Located) -> dict[str, Any]:
    """Which weights a run begins with; a folder's name is nothing to the result."""
    name = located.name if section.source == "hub" else section.name
    return {
        "name": "local" if Path(located.name).is_dir() else name,
        "revision": located.revision,
        "dtype": section.dtype,
        "attn_implementation": section.attn_implementation,
    }


def prompting(
    config: RunConfig, family: families.Family, shown: Shots | None
) -> dict[str, Any] | None:
    """How the model is asked; ``None`` where there is nothing to ask with."""
    if family != "causal" or config.data.is_chat:
        return None  # encoder-decoders take the bare text, conversations are asked as they stand
    told = config.prompt.identity()
    return {**told, "limit": shown.limit} if shown else told


def training(
    config: RunConfig,
    corpus: Corpus,
    model: Mapping[str, Any],
    prompt: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """What the trained weights depend on.

    Raises:
        UserError: if the dev set, which is to choose, has nothing that is not in the test set.
    """
    told = {
        "model": model,
        "data": _pairs(config, corpus.fingerprint),
        "lora": _lora(config.lora),
        "trainer": _trainer(config.trainer),
        "prompt": prompt,
        "seed": config.seed,
    }
    if choice := _choice(config, corpus):
        told["choice"] = choice
    if frozen := _frozen(config):
        told["freeze"] = frozen
    return told


def scoring(
    config: RunConfig, corpus: Corpus, family: families.Family, further: Mapping[str, Corpus]
) -> dict[str, Any]:
    """What the scores depend on, given the weights.

    Raises:
        UserError: if a metric cannot be counted here, or not of these languages.
    """
    evaluation = config.evaluation
    told: dict[str, Any] = {
        "decoding": config.decoding.model_dump(mode="json", exclude={"name"}),
        "metrics": list(evaluation.metrics),
        "longest": corpus.longest_digest,
    }
    if not corpus.is_chat:
        targets = _targets(corpus, *further.values())
        measures.check(evaluation, targets, config.trainer.metric_for_best_model)
        told |= measures.identity(evaluation, targets)
    if further:
        told["also"] = {
            name: [each.source_lang, each.target_lang, each.test_fingerprint]
            for name, each in further.items()
        }
    if corpus.is_chat:
        told |= {"metrics": list(CHAT), "answers": evaluation.answers}
    elif config.prompt.one_line and family == "causal":
        told["one_line"] = True
    if evaluation.probes is not None:
        told["probes"] = list(evaluation.probes)
    return told


def base(
    config: RunConfig,
    corpus: Corpus,
    model: Mapping[str, Any],
    prompt: Mapping[str, Any] | None,
    shown: Shots | None,
) -> dict[str, Any]:
    """What the base row depends on, beside the scoring."""
    told = {
        "model": model,
        "quantization": quantization(config.lora),
        "data": _pairs(config, corpus.test_fingerprint),
        "prompt": prompt,
    }
    return {**told, "examples": shown.digest} if shown else told


def mixing(config: RunConfig) -> dict[str, float]:
    """The share of the tuned weights that is scored, which the untouched model has no part in."""
    share = config.evaluation.interpolate
    return {} if share == 1 else {"interpolate": share}


def _pairs(config: RunConfig, fingerprint: str) -> dict[str, Any]:
    languages = [config.data.source_lang, config.data.target_lang]
    return {"languages": languages, "fingerprint": fingerprint}


def _targets(*corpora: Corpus) -> set[str]:
    """Target languages of test sets."""
    return {pair.languages[1] if pair.languages else each.target_lang
            for each in corpora for pair in each.test}  # fmt: skip


def _lora(lora: LoraConfig) -> dict[str, Any]:
    if lora.method == "none":
        return {"method": "none"}
    values = lora.model_dump(mode="json", exclude={"load_in_4bit"})
    kept = {key: value for key, value in values.items() if not key.startswith("bnb_")}
    return {**kept, "quantization": quantization(lora)}


def _frozen(config: RunConfig) -> list[str]:
    """The frozen parts that would be trained otherwise.

    No adapter of linear layers trains an embedding, frozen or not.
    """
    targets = config.lora.target_modules
    embeds = not isinstance(targets, str) and any("emb" in each for each in targets)
    whole = config.lora.method == "none" or embeds
    return [part for part in config.model.freeze or () if part != "embeddings" or whole]


def quantization(lora: LoraConfig) -> dict[str, Any] | None:
    """How the base weights are quantised; ``None`` where they are not."""
    if not lora.load_in_4bit:
        return None
    return lora.model_dump(
        mode="json",
        include={"bnb_4bit_quant_type", "bnb_4bit_use_double_quant", "bnb_4bit_compute_dtype"},
    )


def _trainer(trainer: TrainerConfig) -> dict[str, Any]:
    values = trainer.model_dump(mode="json")
    if values["max_steps"] is not None:
        values.pop("num_train_epochs")
    if values["processes"] == 1:
        values.pop("processes")
    return {k: v for k, v in values.items() if k not in _SHOWN_ONLY and k not in _CHOICE}


def _choice(config: RunConfig, corpus: Corpus) -> dict[str, Any]:
    """What decides which step's weights are kept; empty where those of the last are.

    Raises:
        UserError: if the dev set has nothing that is not in the test set.
    """
    trainer, evaluation = config.trainer, config.evaluation
    if trainer.metric_for_best_model is None:
        return {}
    without_test(corpus)
    told = {name: getattr(trainer, name) for name in _CHOICE}
    told["every"] = trainer.eval_steps
    if trainer.translates:
        told["every"] = evaluation.every or trainer.eval_steps
        told["segments"] = min(evaluation.dev_segments, len(corpus.dev))
    return {name: value for name, value in told.items() if value is not None}
