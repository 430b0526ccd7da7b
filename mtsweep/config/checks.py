"""What one section must not say in the company of another."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mtsweep import arguments
from mtsweep.config.also import also, also_problems
from mtsweep.config.data import DataConfig
from mtsweep.config.keys import known_keys, unknown
from mtsweep.config.run import RunConfig


def must_be_given(key: str) -> str:
    """Complaint about a key without a value, with an example where there is one."""
    example = _EXAMPLES.get(key)
    return f"must be given: {key}={example}" if example else "must be given"


_NEEDED = (
    ("train_file", "files"), ("package", "gettext"), ("dataset", "hub"), ("mix", "combined"),
)  # fmt: skip
"""Keys that a source cannot do without."""

_EXAMPLES = {
    "model.name": "owner/name",
    "data.source_lang": "eng_Latn",
    "data.target_lang": "spa_Latn",
    "data.train_file": "pairs.jsonl",
    "data.package": "django",
    "data.dataset": "owner/name",
    "data.synthetic_file": "synthetic/NAME",
    "synthesis.run": "best (a finished run), or null for the command's own model, untouched",
    "data.mix": "'[{source: phrasebook}, {source: gettext, package: django}]'",
}


def cross_checks(config: RunConfig) -> Iterator[tuple[str, str]]:
    """Key and complaint of everything that does not go together."""
    yield from _trainer_checks(config)
    if config.lora.load_in_4bit and config.lora.method == "none":
        yield (
            "lora.load_in_4bit",
            "4-bit weights cannot be trained whole; use lora=qlora or load_in_4bit=false",
        )
    if config.evaluation.interpolate != 1 and config.lora.use_dora:
        yield (
            "evaluation.interpolate",
            "a weight-decomposed update is no sum to take a share of; use lora=lora, qlora or none",
        )
    if "encoder" in (config.model.freeze or ()) and config.model.kind == "causal":
        yield "model.freeze", "a decoder-only model has no encoder; use layers:N (the first N)"
    yield from ((f"data.{key}", complaint) for key, complaint in data_checks(config.data))
    if config.data.is_chat:
        yield from _chat_checks(config)
    yield from _also_checks(config)
    yield from _prompt_checks(config)
    if config.sweep.search is not None:
        yield from _search_checks(config)


def _search_checks(config: RunConfig) -> Iterator[tuple[str, str]]:
    chosen = config.trainer.metric_for_best_model
    if config.sweep.metric != chosen:
        yield (
            "sweep.metric",
            f"{config.sweep.metric}, and trainer.metric_for_best_model is {chosen}: settings are "
            "compared by the weights that are kept; give one of the two",
        )
    if config.lora.method == "untouched":
        yield "lora.method", "untouched trains nothing, and a search compares trainings"
    for key in ("limit", "only"):
        if getattr(config.sweep, key) is not None:
            yield f"sweep.{key}", "a search has no list of runs; sweep.trials says how many"


def data_checks(data: DataConfig) -> Iterator[tuple[str, str]]:
    """Key, below ``data``, and complaint of everything that does not go together within it."""
    for key, source in _NEEDED:
        if data.source == source and not getattr(data, key):
            yield key, must_be_given(f"data.{key}")
    yield from _mix_checks(data)
    if data.synthetic_share is not None and data.synthetic_file is None:
        yield "synthetic_file", "data.synthetic_share needs it: data.synthetic_file=FOLDER"
    if data.is_chat and data.source not in {"files", "hub", "combined"}:
        yield "form", f"{data.source} holds pairs; conversations are read with data=chat"
    if data.is_chat and data.synthetic_file is not None:
        yield "synthetic_file", "synthetic pairs go beside pairs, not beside conversations"
    if data.dev_file and not data.test_file:
        yield "test_file", "a dev file without a test file: give data.test_file as well"


def _mix_checks(data: DataConfig) -> Iterator[tuple[str, str]]:
    for place, part in enumerate(data.mix):
        for key, source in _NEEDED:
            if part.source == source and not getattr(part, key):
                yield f"mix.{place}.{key}", "must be given"
    shares = [part.share for part in data.mix if part.share is not None]
    if shares and (len(shares) < len(data.mix) or not math.isclose(sum(shares), 1)):
        yield "mix", f"shares are given to every part or to none, and sum to 1, not {sum(shares):g}"
    if any(part.form != data.form for part in data.mix if "form" in part.model_fields_set):
        yield "mix", "holds pairs or conversations, not both; give data.form once"
    for one, other in () if data.is_chat or data.source != "combined" else data.language_pairs:
        if one == other:
            yield "mix", f"a part translates {one} into itself; set its target_lang"


def _prompt_checks(config: RunConfig) -> Iterator[tuple[str, str]]:
    if not config.prompt.shots:
        return
    if config.model.kind == "seq2seq":
        yield (
            "prompt.shots",
            "an encoder-decoder takes the bare text, without examples; use prompt=brief",
        )
    if config.data.is_chat:
        yield "prompt.shots", "conversations cannot be shown as examples; use prompt.shots=0"


def _chat_checks(config: RunConfig) -> Iterator[tuple[str, str]]:
    if config.model.kind != "causal":
        yield "model.kind", "conversations need a decoder-only model; such as model=llama3b"
    if config.evaluation.every is not None:
        yield "evaluation.every", "conversations are no translations; trainer.eval_steps has losses"


def _also_checks(config: RunConfig) -> Iterator[tuple[str, str]]:
    told = dict(also_problems(config))
    for key, found in told.items():
        if isinstance(found, str):
            yield key, found
            continue
        for detail in found.errors():
            inner = ".".join(str(step) for step in detail["loc"])
            wrong = unknown(f"data.{inner}") if detail["type"] == "extra_forbidden" else ""
            yield f"{key}.{inner}".rstrip("."), wrong or detail["msg"]
    if not told:
        for name, data in also(config).items():
            for key, complaint in data_checks(data):
                yield f"evaluation.also.{name}.{key}", complaint
            if data.is_chat != config.data.is_chat:
                yield (
                    f"evaluation.also.{name}.form",
                    "a run is scored on pairs or on conversations, not on both",
                )


def _trainer_checks(config: RunConfig) -> Iterator[tuple[str, str]]:
    kind, trainer = config.model.kind, config.trainer
    if trainer.early_stopping_patience is not None and trainer.metric_for_best_model is None:
        yield (
            "trainer.early_stopping_patience",
            "needs trainer.metric_for_best_model, such as chrf or eval_loss",
        )
    if trainer.translates and config.data.is_chat:
        yield "trainer.metric_for_best_model", "conversations are no translations; use eval_loss"
    if trainer.early_stopping_threshold is not None and trainer.early_stopping_patience is None:
        yield "trainer.early_stopping_threshold", "needs trainer.early_stopping_patience"
    fields = arguments.fields(kind)
    trained_by = arguments.TRAINER_CLASS[kind]
    for name, value in config.trainer.others.items():
        key = f"trainer.{name}"
        if name in OURS:
            yield key, OURS[name]
        elif name not in fields:
            other: arguments.Kind = "seq2seq" if kind == "causal" else "causal"
            if name in arguments.fields(other):
                yield key, f"is no field of {trained_by}, which trains this {kind} model"
            else:
                yield key, unknown(key, known_keys(kind))
        elif complaint := fields[name].complaint(value):
            yield key, complaint


OURS = {
    "output_dir": "is the run's own folder; set output_dir instead",
    "seed": "is shared by the whole run; set seed instead",
    "report_to": "is set by the tracking group; use tracking=wandb, trackio or none",
    "run_name": "is set by the tracking group",
    "auto_find_batch_size": "would change the effective batch in silence; set "
    "trainer.per_device_train_batch_size and trainer.gradient_accumulation_steps",
    "load_best_model_at_end": "set trainer.metric_for_best_model, such as chrf or eval_loss",
    "greater_is_better": "follows from trainer.metric_for_best_model",
    "push_to_hub": "nothing is published by a run",
    "hub_token": "a token has no place in a configuration; use `hf auth login`",
    "use_cpu": "the device is chosen by the machine; set CUDA_VISIBLE_DEVICES= for the CPU",
}
"""TrainingArguments fields that mtsweep sets itself, and what to use instead."""
