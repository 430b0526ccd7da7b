"""From jobs to a plan: who each run is, what is to be done, and which runs share a base model.

A run is named by its content: the ``id`` hashes every value that can change its result, the data's
fingerprint and the model's revision. Names, paths, tracking and logging never count.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from mtsweep import data, device, measures, tracking
from mtsweep.compose import Job
from mtsweep.config import (
    DataConfig,
    LoraConfig,
    PromptConfig,
    RunConfig,
    TrainerConfig,
    also,
)
from mtsweep.data.devset import without_test
from mtsweep.data.pairs import Corpus
from mtsweep.data.shots import Shots, shots
from mtsweep.errors import ConfigError, Problem, TooFewPairsError, UserError
from mtsweep.estimate import estimate
from mtsweep.models import families
from mtsweep.models.locate import Located, has_chat_template, locate
from mtsweep.record import RunFolder
from mtsweep.scores import CHAT
from mtsweep.standing import Run, chosen, looked_up

_SHOWN_ONLY = {
    "logging_steps", "logging_dir", "logging_strategy", "logging_first_step", "log_level",
    "disable_tqdm", "save_total_limit", "save_strategy", "save_steps", "dataloader_num_workers",
    "dataloader_pin_memory", "per_device_eval_batch_size", "eval_steps", "eval_strategy",
    "skip_memory_metrics", "include_num_input_tokens_seen",
}  # fmt: skip
"""Trainer fields that change what is shown or stored, not what is learnt."""

_CHOICE = ("metric_for_best_model", "early_stopping_patience", "early_stopping_threshold")
"""Trainer fields that count, with all that a choice depends on, where a choice is made."""


@dataclass(frozen=True, eq=False)
class Group:
    """Runs that share a base model in memory: made by the plan, carried out by a worker."""

    runs: tuple[Run, ...]
    base: str = ""
    """Digest of the base model: groups that came at different times are one by it."""


@dataclass(frozen=True)
class Plan:
    """What a command comes to."""

    runs: tuple[Run, ...]
    """Every distinct run, in the order asked for."""
    groups: tuple[Group, ...]
    """What is to be done now: unfinished runs, grouped by base model."""
    duplicates: int
    """Jobs that were another job under a different name."""
    left_out: tuple[str, ...]
    """Why jobs that ask for more pairs than there are have no run (``sweep.beyond_data=skip``)."""
    name: str
    """Sweep folder under ``sweeps/``, and W&B group."""
    output: Path

    @property
    def processes(self) -> int:
        """Processes that train one of the runs together, at most."""
        return max((run.config.trainer.processes for run in self.runs), default=1)

    @property
    def folder(self) -> Path:
        """Of the sweep."""
        return self.output / "sweeps" / self.name


def make(jobs: Sequence[Job]) -> Plan:
    """Name, check and group the runs of a command.

    Raises:
        UserError: if data or models are not as the configuration says, all problems at once.
    """
    runs: dict[str, Run] = {}
    problems: list[Problem] = []
    left_out: list[str] = []
    for config in dict.fromkeys(job.config.tracking for job in jobs):
        tracking.check(config)
    for job in jobs:
        try:
            run = identify(job)
        except UserError as error:
            problems.append(_as_problem(error))
            if isinstance(error, TooFewPairsError) and job.config.sweep.beyond_data == "skip":
                left_out.append(_text(problems.pop()))
        else:
            runs.setdefault(run.id, run)
    if not runs:
        problems += [_as_problem(UserError(each)) for each in left_out]
    if problems:
        raise ConfigError(problems) if len(set(problems)) > 1 else UserError(_text(problems[0]))
    config = jobs[0].config
    distinct = looked_up(tuple(runs.values()), Path(config.output_dir) / "runs")
    return Plan(
        runs=distinct,
        groups=tuple(groups(chosen(distinct, config.sweep))),
        duplicates=len(jobs) - len(left_out) - len(distinct),
        left_out=tuple(dict.fromkeys(left_out)),
        name=config.sweep.name or _sweep_name(distinct),
        output=Path(config.output_dir),
    )


def _as_problem(error: UserError) -> Problem:
    key, separator, complaint = str(error).partition(": ")
    return Problem(key, complaint) if separator else Problem("", key)


def _text(problem: Problem) -> str:
    return f"{problem.key}: {problem.complaint}" if problem.key else problem.complaint


def identify(job: Job) -> Run:
    """Give a run its ids; where it stands is looked up later.

    Raises:
        UserError: if its data or model are not there, or do not fit each other.
    """
    config = job.config
    corpus = data.load(config.data)
    located = locate(config.model)
    family = families.recognise(located.config, located.tokenizer_config)
    check_fit(config, located, family)
    guess = estimate(config, located.config, corpus)
    untouched = config.lora.method == "untouched"
    if guess.trained <= 0 and not untouched:
        raise UserError(
            f"model.freeze: {', '.join(config.model.freeze or ())} leaves nothing to train of "
            f"{config.model.name}"
        )
    model = {
        "name": located.name if config.model.source == "hub" else config.model.name,
        "revision": located.revision,
        "dtype": config.model.dtype,
        "attn_implementation": config.model.attn_implementation,
    }
    if Path(located.name).is_dir():
        model["name"] = "local"
    shown = _shots(config.data, config.prompt, room(config, located))  # pyright: ignore[reportArgumentType] - frozen
    prompt = _prompt(config, family, shown)
    pairs = {
        "languages": [config.data.source_lang, config.data.target_lang],
        "fingerprint": corpus.fingerprint,
    }
    training = {
        "model": model,
        "data": pairs,
        "lora": _lora(config.lora),
        "trainer": _trainer(config.trainer),
        "prompt": prompt,
        "seed": config.seed,
    }
    if choice := _choice(config, corpus):
        training["choice"] = choice
    if frozen := _frozen(config):
        training["freeze"] = frozen
    scoring = {
        "decoding": config.decoding.model_dump(mode="json", exclude={"name"}),
        "metrics": list(config.evaluation.metrics),
        "longest": corpus.longest_digest,
    }
    further = _also(config)
    if not corpus.is_chat:
        targets = _targets(corpus, *further.values())
        chosen = config.trainer.metric_for_best_model
        measures.check(config.evaluation, targets, chosen)
        scoring |= measures.identity(config.evaluation, targets)
    if further:
        scoring["also"] = {
            name: [each.source_lang, each.target_lang, each.test_fingerprint]
            for name, each in further.items()
        }
    if corpus.is_chat:
        scoring |= {"metrics": list(CHAT), "answers": config.evaluation.answers}
    elif config.prompt.one_line and family == "causal":
        scoring["one_line"] = True
    if config.evaluation.probes is not None:
        scoring["probes"] = list(config.evaluation.probes)
    base = {
        "model": model,
        "quantization": _quantization(config.lora),
        "data": {**pairs, "fingerprint": corpus.test_fingerprint},
        "prompt": prompt,
        **scoring,
    }
    if shown:
        base["examples"] = shown.digest
    runs = Path(config.output_dir) / "runs"
    base_id = digest(base)
    # A run that trains nothing is its base row.
    share = config.evaluation.interpolate
    mixed = {} if share == 1 else {"interpolate": share}  # of no meaning to the untouched model
    run_id = base_id if untouched else digest({**training, **scoring, **mixed})
    return Run(
        config=config,
        overrides=job.overrides,
        corpus=corpus,
        located=located,
        family=family,
        id=run_id,
        train_id=base_id if untouched else digest(training),
        base_id=base_id,
        folder=RunFolder(runs / run_id),
        base_folder=RunFolder(runs / base_id),
        guess=guess,
        also=further,
        shots=shown,
    )


@lru_cache(maxsize=16)
def _shots(section: DataConfig, prompt: PromptConfig, limit: int | None) -> Shots | None:
    """What prompts may show: the same object for all runs that show the same."""
    return shots(data.load(section), prompt, limit)


@lru_cache(maxsize=16)
def _held_out(section: DataConfig) -> Corpus:
    """A corpus that nothing is trained on."""
    return replace(data.load(section), train=(), dev=())


def _targets(*corpora: Corpus) -> set[str]:
    """Target languages of test sets."""
    return {pair.languages[1] if pair.languages else each.target_lang
            for each in corpora for pair in each.test}  # fmt: skip


def _also(config: RunConfig) -> dict[str, Corpus]:
    """The further test sets; their training pairs stay behind."""
    found = {}
    for name, section in also(config).items():
        try:
            found[name] = _held_out(section)  # pyright: ignore[reportArgumentType] - frozen
        except UserError as error:
            key, _, complaint = str(error).removeprefix("data.").partition(": ")
            raise UserError(f"evaluation.also.{name}.{key}: {complaint}") from error
    return found


def check_fit(config: RunConfig, located: Located, family: families.Family) -> None:
    """Say whether a model is of the kind that is configured, and knows the languages.

    Raises:
        UserError: naming the key, if not.
    """
    if config.data.is_chat and not has_chat_template(located, config.model.source):
        raise UserError(
            f"model.name: {located.name} has no chat template, which conversations need; use a "
            "model made for chat, such as model=llama3b"
        )
    kind = "causal" if family == "causal" else "seq2seq"
    if kind != config.model.kind:
        raise UserError(
            f"model.kind: {located.name} is a {located.config.get('model_type')} model, which is "
            f"{kind}; set model.kind={kind} (or use model={kind} model.name=…)"
        )
    listed = located.tokenizer_config.get("additional_special_tokens") or []
    sections = (config.data, *also(config).values())
    pairs = dict.fromkeys(pair for section in sections for pair in section.language_pairs)
    for key, flores in dict.fromkeys(
        each for pair in pairs for each in zip(("source_lang", "target_lang"), pair, strict=True)
    ):
        code = families.language_code(family, flores)
        unlisted = family == "nllb" and listed and code not in listed
        if code is None or unlisted:
            known = ", ".join(sorted(str(token) for token in listed)[:8])
            more = f" (it knows {known}, …)" if known else ""
            raise UserError(f"data.{key}: {located.name} does not know {flores}{more}")


def _lora(lora: LoraConfig) -> dict[str, Any]:
    if lora.method == "none":
        return {"method": "none"}
    values = lora.model_dump(mode="json", exclude={"load_in_4bit"})
    kept = {key: value for key, value in values.items() if not key.startswith("bnb_")}
    return {**kept, "quantization": _quantization(lora)}


def _frozen(config: RunConfig) -> list[str]:
    """The frozen parts that would be trained otherwise.

    No adapter of linear layers trains an embedding, frozen or not.
    """
    targets = config.lora.target_modules
    embeds = not isinstance(targets, str) and any("emb" in each for each in targets)
    whole = config.lora.method == "none" or embeds
    return [part for part in config.model.freeze or () if part != "embeddings" or whole]


def _quantization(lora: LoraConfig) -> dict[str, Any] | None:
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


def _prompt(
    config: RunConfig, family: families.Family, shown: Shots | None
) -> dict[str, Any] | None:
    if family != "causal" or config.data.is_chat:
        return None  # encoder-decoders take the bare text, conversations are asked as they stand
    told = config.prompt.identity()
    return {**told, "limit": shown.limit} if shown else told


def room(config: RunConfig, located: Located) -> int | None:
    """Tokens that prompt and answer may have together."""
    limits = (config.trainer.max_length, located.config.get("max_position_embeddings"))
    return min((each for each in limits if isinstance(each, int)), default=None)


def digest(value: object) -> str:
    """First 12 hex digits of SHA-256 over what JSON can say."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def groups(runs: Iterable[Run]) -> list[Group]:
    """Runs that can share a base model in memory, on the devices of this machine."""
    shared: dict[str, list[Run]] = {}
    for run in runs:
        # On a GPU a model that is trained whole is loaded in another precision.
        whole = run.config.lora.method == "none" and bool(device.gpus())
        model = run.config.model.model_dump(exclude={"freeze", "license"})
        key = digest([run.located.name, run.located.revision, model,
                       _quantization(run.config.lora), whole])  # fmt: skip
        shared.setdefault(key, []).append(run)
    # Full fine-tuning spoils the base, so within a group it comes last.
    return [
        Group(tuple(sorted(group, key=lambda run: run.config.lora.method == "none")), base)
        for base, group in shared.items()
    ]


def _sweep_name(runs: Sequence[Run]) -> str:
    return f"{slug(runs)}-{digest([run.id for run in runs])[:6]}"


def slug(runs: Sequence[Run]) -> str:
    """Models and data of some runs, as the beginning of a name."""
    models = sorted({Path(run.config.model.name).name.lower() for run in runs})
    names = sorted({run.config.data.name for run in runs})
    return "-".join([*models[:2], *names[:2]])[:60]
