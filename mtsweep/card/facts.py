"""The tables of facts of a card: data, licences, tuning, cost; and the command."""

from __future__ import annotations

from collections.abc import Iterator

from mtsweep.card import licences
from mtsweep.card.privacy import scrubbed
from mtsweep.card.subject import Subject
from mtsweep.config import DataConfig, tuning
from mtsweep.data.phrases import phrases

Line = tuple[str, str]


def method(subject: Subject) -> str:
    """How it was tuned, in a phrase."""
    lora = subject.config.lora
    name = tuning(lora.model_dump())
    if name == "full":
        return "every weight"
    return f"{ {'lora': 'LoRA', 'dora': 'DoRA', 'qlora': 'QLoRA'}[name] }, rank {lora.r}"


def data(subject: Subject) -> Iterator[Line]:
    """Where the pairs come from, and what the steps left of them."""
    told, config = subject.record.data, subject.config.data
    yield "data", scrubbed(subject.config.data.name)
    yield from _sources(config)
    if found := told.get("provenance"):
        yield "from", scrubbed("; ".join(map(str, found)))
    codes = [f"{a} to {b}" for a, b in subject.pairs]
    yield "languages", config.source_lang if subject.is_chat else ", ".join(codes)
    unit = "conversations" if subject.is_chat else "pairs"
    sizes = [f"{told[part]:,} {part}" for part in ("train", "dev", "test") if part in told]
    yield unit, ", ".join(sizes)
    if "available" in told:
        yield "to choose from", f"{told['available']:,} for training"
    if told.get("synthetic"):
        yield "of them synthetic", f"{told['synthetic']:,} of {told['train']:,}"
    dropped = told.get("dropped") or {}
    yield (
        "left out",
        ", ".join(f"{count:,} {scrubbed(why)}" for why, count in dropped.items()) or ("none"),
    )
    changed = {name: each["changed"] for name, each in (told.get("cleaning") or {}).items()}
    if any(changed.values()):
        yield "mended", ", ".join(f"{count:,} {name}" for name, count in changed.items() if count)
    yield "cleaning steps", ", ".join(config.clean) or "none"
    if leaks := told.get("leaks"):
        yield "taken out as repeating dev or test", f"{len(leaks):,}"
    if told.get("too_long"):
        yield "left out as too long for trainer.max_length", f"{told['too_long']:,}"
    for key, words in (("fingerprint", "fingerprint"), ("test_fingerprint", "of the test set")):
        if told.get(key):
            yield words, str(told[key])[:16]


def _sources(config: DataConfig) -> Iterator[Line]:
    """What the sources are, where their names do not say it."""
    parts = config.mix if config.source == "combined" else (config,)
    for part in parts:
        domains = part.domains or config.domains
        if part.source == "phrasebook":
            book = phrases()
            named = domains or tuple(book)
            count = sum(len(book[domain]) for domain in named if domain in book)
            yield (
                "the phrasebook",
                (
                    f"{count:,} everyday sentences written for mtsweep, of the domains "
                    f"{', '.join(named)}"
                ),
            )
            return


def rights(subject: Subject, licence: str) -> Iterator[Line]:
    """Of what ships, the base model, and every source of the data."""
    yield "this model", _licence(licence, "its publisher has not said")
    named = scrubbed(subject.base_model or subject.base_name)
    yield f"base model {named}", _licence(licences.of_model(subject), "see its own page")
    made = subject.record.data.get("synthetic")
    for name, told in licences.of_data(subject.config.data, synthetic=bool(made)).items():
        yield f"data: {scrubbed(name)}", _licence(told, "ask whoever holds the texts")


def _licence(told: str, remedy: str) -> str:
    return f"unknown: {remedy}" if told == licences.UNKNOWN else told


def training(subject: Subject) -> Iterator[Line]:
    """What was trained, and how."""
    config, record = subject.config, subject.record
    lora, trainer, cost = config.lora, config.trainer, record.cost
    yield "trained", method(subject)
    if subject.has_adapter:
        modules = lora.target_modules
        named = modules if isinstance(modules, str) else ", ".join(modules)
        yield "lora_alpha, lora_dropout", f"{lora.lora_alpha:g}, {lora.lora_dropout:g}"
        yield "target_modules", named
    if lora.load_in_4bit:
        yield (
            "base in 4 bits",
            (f"{lora.bnb_4bit_quant_type}, computing in {lora.bnb_4bit_compute_dtype}"),
        )
    share = cost.trainable_parameters / cost.total_parameters if cost.total_parameters else 0
    yield (
        "parameters trained",
        (f"{cost.trainable_parameters:,} of {cost.total_parameters:,} ({share:.1%})"),
    )
    if config.model.freeze:
        yield "frozen", ", ".join(config.model.freeze)
    if config.evaluation.interpolate != 1:
        yield "share of the tuning in the weights", f"{config.evaluation.interpolate:g}"
    steps = subject.training.steps if subject.training else trainer.max_steps
    yield "optimiser steps", f"{steps:,}" if steps else f"{trainer.num_train_epochs:g} epochs"
    batch = f"{trainer.per_device_train_batch_size} x {trainer.gradient_accumulation_steps}"
    if trainer.processes > 1:
        batch += f" x {trainer.processes} processes"
    yield "batch x accumulation", batch
    yield "learning rate", f"{trainer.learning_rate:g}"
    for name, value in trainer.others.items():
        yield name, str(value)
    if record.chosen:
        yield "chosen by the dev set", ", ".join(f"{k} {v}" for k, v in record.chosen.items())
    if record.adjusted:
        yield (
            "changed by itself (out of memory)",
            ", ".join(f"{key} {value}" for key, value in record.adjusted.items()),
        )
    yield "precision", str(record.environment.get("precision", ""))
    yield "seed", str(config.seed)
    yield (
        "loss on",
        ("answers and their ends" if subject.is_chat else "the translation and its end alone"),
    )


def cost(subject: Subject) -> Iterator[Line]:
    """What it took, and on what."""
    cost, told = subject.record.cost, subject.record.environment
    if cost.seconds_train:
        yield "training", f"{cost.seconds_train:,.0f} s"
    elif subject.training:
        yield "training (of a run trained the same way)", f"{subject.training.seconds:,.0f} s"
    yield "scoring", f"{cost.seconds_evaluate:,.0f} s"
    yield "peak memory", f"{cost.peak_memory_bytes / 2**30:.1f} GiB"
    yield "stored", f"{cost.adapter_bytes / 1e6:.1f} MB"
    if told.get("device"):
        yield "on", str(told["device"])
    yield "energy", "not measured: mtsweep measures time and memory, so no figure is given"
    libraries = ("mtsweep", "torch", "transformers", "trl", "peft", "sacrebleu", "python")
    yield "with", ", ".join(f"{name} {told[name]}" for name in libraries if name in told)


def command(subject: Subject) -> str:
    """The command that makes this run again, without paths of a machine."""
    command = next((judged.command for judged in subject.judged if judged.command), "")
    if not command or _is_search(command):
        return scrubbed(command)
    return f"{scrubbed(command)} sweep.only={subject.record.id}"


def _is_search(command: str) -> bool:
    """Whether later settings of a command follow from the scores of earlier ones."""
    return "sweep=optuna" in command.split()


def reproduction(subject: Subject) -> str:
    """What is to be known of that command."""
    told = command(subject)
    if not told:
        return "The command that it came from is no longer there; its settings stand above."
    own = (
        " The data are the publisher's own files; without them it cannot be repeated."
        if subject.own_files
        else ""
    )
    every = (
        "it makes the whole search, in which this run was proposed"
        if _is_search(told)
        else "without sweep.only it makes every row of the first table"
    )
    return f"With mtsweep {subject.record.environment.get('mtsweep', '')}; {every}.{own}"
