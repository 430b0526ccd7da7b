"""The schema of a run: every key, its unit and its bounds, and the checks across sections.

Hydra composes plain values; :func:`validate` turns them into one frozen :class:`RunConfig`, or says
everything that is wrong with them. Nothing heavy is imported here.
"""

from __future__ import annotations

import difflib
import string
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from mtsweep import arguments, languages
from mtsweep.errors import Problem

MISSING = "???"
"""OmegaConf's mark of a value that must be given."""


class Section(BaseModel):
    """A frozen group of values; an unknown key is an error."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=()
    )


def _refusal(complaint: str) -> PydanticCustomError:
    """What a validator raises; the complaint is shown as it stands."""
    return PydanticCustomError("refused", "{complaint}", {"complaint": complaint})


def _language(value: object) -> object:
    if complaint := languages.complaint(value):
        raise _refusal(complaint)
    return value


def _part(value: object) -> object:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    if not (0 < number < 1 or (number >= 1 and number == int(number))):
        raise _refusal(f"should be a count from 1 up, or a share between 0 and 1, not {value!r}")
    return value


Language = Annotated[str, BeforeValidator(_language)]
Part = Annotated[float, BeforeValidator(_part)]
Text = Annotated[str, Field(coerce_numbers_to_str=True)]
Probability = Annotated[float, Field(ge=0.0, lt=1.0)]


class ModelConfig(Section):
    """Which weights a run starts from (``conf/model/``)."""

    name: str
    """Hub id (``owner/name``), local folder, or the name of an embedded or tiny model."""
    kind: Literal["causal", "seq2seq"]
    """Decoder-only (trained by TRL's SFTTrainer) or encoder-decoder (HF's Seq2SeqTrainer)."""
    source: Literal["hub", "smollm2", "tiny"] = "hub"
    """Where weights come from: the hub or a folder, the embedded SmolLM2, or a fresh tiny one."""
    revision: Text | None = None
    """Branch, tag or commit on the hub; null is its default branch. The commit is recorded."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of the weights; ``auto`` is bfloat16 on CUDA and float32 on a CPU."""
    attn_implementation: str | None = None
    """transformers' name of the attention (``sdpa``, ``flash_attention_2``); null chooses."""


class DataConfig(Section):
    """Which pairs are trained on and scored (``conf/data/``)."""

    name: str
    """What people call the data, in tables and W&B tags."""
    source: Literal["phrasebook", "gettext", "files"]
    """Reader of the pairs."""
    source_lang: Language
    """FLORES-200 code of the language translated from."""
    target_lang: Language
    """FLORES-200 code of the language translated to."""
    size: PositiveInt | None = None
    """Training pairs; null takes all. Smaller sizes are nested in larger ones."""
    test_size: Part = 100
    """Held-out test segments: a count, or a share of all pairs."""
    dev_size: Part = 50
    """Pairs for the loss during training: a count, or a share of all pairs."""
    split_seed: NonNegativeInt = 13
    """Seed of the split; apart from ``seed``, so that replicates share one test set."""
    domains: tuple[str, ...] | None = None
    """Phrasebook domains to take; null takes all ten."""
    train_file: str | None = None
    """``files``: JSONL with the training pairs (or all of them, where no test file is given)."""
    dev_file: str | None = None
    """``files``: JSONL with the dev pairs; null splits them off the training file."""
    test_file: str | None = None
    """``files``: JSONL with the test pairs; null splits them off the training file."""
    source_column: str | None = None
    """``files``: column or key of the source text; null tries ``source`` and the nested form."""
    target_column: str | None = None
    """``files``: column or key of the target text; null tries ``target`` and the nested form."""
    package: str | None = None
    """``gettext``: installed Python package whose message catalogs are read."""

    @model_validator(mode="after")
    def _two_languages(self) -> DataConfig:
        if self.source_lang == self.target_lang:
            raise _refusal("source_lang and target_lang are the same")
        return self


class LoraConfig(Section):
    """Which weights are trained (``conf/lora/``); field names are PEFT's and bitsandbytes' own."""

    method: Literal["lora", "none"]
    """``lora`` trains a low-rank update, ``none`` every weight."""
    r: PositiveInt = 16
    """Rank of the update; Hu et al. 2021 find 4 to 16 enough for attention weights."""
    lora_alpha: PositiveFloat = 16
    """The update is scaled by lora_alpha / r (by its square root with ``use_rslora``)."""
    lora_dropout: Probability = 0.0
    """Dropout on the input of the update."""
    target_modules: str | tuple[str, ...] = "all-linear"
    """PEFT's names of the layers to adapt, or ``all-linear`` (all but the output layer)."""
    use_dora: bool = False
    """Weight-decomposed update (Liu et al. 2024)."""
    use_rslora: bool = False
    """Rank-stabilised scale (Kalajdzievski 2023)."""
    load_in_4bit: bool = False
    """Keep the frozen base in 4 bits (QLoRA, Dettmers et al. 2023)."""
    bnb_4bit_quant_type: Literal["nf4", "fp4"] = "nf4"
    bnb_4bit_use_double_quant: bool = True
    bnb_4bit_compute_dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"


class TrainerConfig(BaseModel):
    """How the weights are trained (``conf/trainer/``): HF TrainingArguments' own names and units.

    The fields below are those with bounds or defaults of ours; any other field of the class that
    trains the model (``SFTConfig`` or ``Seq2SeqTrainingArguments``) may stand beside them.
    """

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    learning_rate: PositiveFloat
    max_steps: PositiveInt | None = None
    """Optimiser steps; null trains for ``num_train_epochs``."""
    num_train_epochs: PositiveFloat = 3.0
    per_device_train_batch_size: PositiveInt = 8
    per_device_eval_batch_size: PositiveInt = 16
    gradient_accumulation_steps: PositiveInt = 1
    gradient_checkpointing: bool = False
    max_length: PositiveInt | None = 1024
    """Tokens of prompt + completion (decoder-only), or of each side (encoder-decoder); longer pairs
    are left out of training and counted, because a cut one would teach not to stop."""
    logging_steps: PositiveInt = 10
    eval_steps: PositiveInt | None = None
    """Optimiser steps between two dev losses; null takes one at the end of each epoch."""
    save_steps: PositiveInt | None = None
    """Optimiser steps between two checkpoints; null makes one every five minutes. An interrupted
    run makes one at once, and a run that is through drops them."""

    @property
    def others(self) -> dict[str, Any]:
        """The fields that are handed to HF as they are."""
        return dict(self.__pydantic_extra__ or {})


def _template(value: str) -> str:
    try:
        names = {field for _, field, _, _ in string.Formatter().parse(value) if field is not None}
    except ValueError as error:
        raise _refusal(str(error)) from error
    if unknown := names - {"source", "target", "text"}:
        listed = ", ".join(f"{{{name}}}" for name in sorted(unknown))
        raise _refusal(
            f"no such field: {listed}; a template has {{source}} and {{target}} (language names) "
            "and {text}"
        )
    if "text" not in names:
        raise _refusal("the template never shows {text}, the source text")
    return value


class PromptConfig(Section):
    """How a decoder-only model is asked (``conf/prompt/``); encoder-decoders take the bare text."""

    name: str
    template: Annotated[str, AfterValidator(_template)]
    """The request; ``{source}`` and ``{target}`` are language names, ``{text}`` is the text."""
    chat: bool = False
    """Wrap the request into the tokenizer's own chat template."""


class DecodingConfig(Section):
    """How translations are generated (``conf/decoding/``); HF GenerationConfig's own names."""

    name: str
    num_beams: PositiveInt = 1
    max_new_tokens: PositiveInt | None = None
    """Generated tokens at most; null takes a quarter more than the longest target of the first
    1,000 training pairs (before ``data.size``) has."""
    repetition_penalty: PositiveFloat = 1.0
    no_repeat_ngram_size: NonNegativeInt = 0
    batch_size: PositiveInt = 100
    """Segments generated at once."""


Metric = Literal["bleu", "chrf"]


class EvaluationConfig(Section):
    """What is scored (``conf/evaluation/``)."""

    name: str
    metrics: tuple[Metric, ...] = get_args(Metric)
    samples: NonNegativeInt = 10
    """Segments shown in the sample table of the tracker."""


class TrackingConfig(Section):
    """Where the figures are mirrored (``conf/tracking/``)."""

    name: Literal["wandb", "none"]
    mode: Literal["auto", "online", "offline"] = "auto"
    """``auto`` is online where a W&B key is found, else offline."""
    project: str = "mtsweep"
    entity: str | None = None


class SweepConfig(Section):
    """What concerns a whole command rather than one run."""

    name: Text | None = Field(default=None, pattern=r"^[A-Za-z0-9][\w.-]{0,99}$")
    """Folder under ``sweeps/`` and W&B group; null makes one from the runs."""
    devices: tuple[NonNegativeInt, ...] | None = None
    """GPUs by their number, a worker on each; null takes all that are visible, or else the CPU."""
    workers: PositiveInt = 1
    """Workers on a CPU; its cores are shared out among them."""
    on_error: Literal["continue", "stop"] = "continue"
    """Whether the other runs go on when one has failed."""
    retries: NonNegativeInt = 1
    """How often a run is taken up again after its worker died or hung."""
    timeout: PositiveFloat | None = None
    """Minutes after which a run counts as hung; null waits without end."""
    limit: PositiveInt | None = None
    """Unfinished runs to do now, at most; null does all."""
    only: tuple[Text, ...] | None = None
    """Runs to do now: their ids (or beginnings of ids) or states (new, resumable, failed)."""
    dry_run: bool = False
    """Print the plan and start nothing."""


class RunConfig(Section):
    """One run, whole."""

    model: ModelConfig
    data: DataConfig
    lora: LoraConfig
    trainer: TrainerConfig
    prompt: PromptConfig
    decoding: DecodingConfig
    evaluation: EvaluationConfig
    tracking: TrackingConfig
    sweep: SweepConfig = SweepConfig()
    seed: NonNegativeInt = 42
    """Seed of initialisation, dropout and data order."""
    output_dir: str = "."
    """Folder that gets ``runs/`` and ``sweeps/``."""


def known_keys(kind: arguments.Kind | None = None) -> list[str]:
    """Every dotted key that may be set; trainer fields of ``kind``, or of both kinds."""
    keys = list(_keys(RunConfig, ""))
    for each in (kind,) if kind else get_args(arguments.Kind):
        keys.extend(f"trainer.{name}" for name in arguments.fields(each))
    return list(dict.fromkeys(keys))


def _keys(section: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name


def unknown(key: str, known: list[str] | None = None) -> str:
    """Complaint about a key that does not exist, with the nearest that does."""
    known = known or known_keys()
    meant = difflib.get_close_matches(key, known, n=1, cutoff=0.7)
    if not meant:
        leaves = {candidate.rpartition(".")[2]: candidate for candidate in reversed(known)}
        near = difflib.get_close_matches(key.rpartition(".")[2], list(leaves), n=1, cutoff=0.75)
        meant = [leaves[leaf] for leaf in near]
    return f"no such key; did you mean {meant[0]}?" if meant else "no such key; see --help"


def validate(values: Mapping[str, Any], run: str = "") -> RunConfig | list[Problem]:
    """The typed configuration of a run, or everything that is wrong with it.

    Args:
        values: Plain values as Hydra composed them, interpolations resolved.
        run: Overrides that tell this run from its siblings, for the complaints.
    """
    missing = [
        Problem(key, _must_be_given(key), run)
        for key, value in _leaves(values, "")
        if value == MISSING
    ]
    try:
        config = RunConfig.model_validate(values)
    except ValidationError as error:
        absent = {problem.key for problem in missing}
        found = [_problem(detail, run) for detail in error.errors()]
        return missing + [problem for problem in found if problem.key not in absent]
    problems = missing + [Problem(key, text, run) for key, text in _cross_checks(config)]
    return problems or config


def _leaves(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _problem(detail: ErrorDetails, run: str) -> Problem:
    steps = [str(step) for step in detail["loc"]]
    known = known_keys()
    # A union reports once per member, with the member's name behind the key.
    while len(steps) > 1 and ".".join(steps) not in known and ".".join(steps[:-1]) in known:
        steps.pop()
    key = ".".join(steps)
    if detail["type"] == "extra_forbidden":
        return Problem(key, unknown(key), run)
    if detail["type"] == "missing":
        return Problem(key, _must_be_given(key), run)
    message = detail["msg"].removeprefix("Input should be ")
    if message == detail["msg"] or detail["type"] == "refused":
        return Problem(key, message, run)
    return Problem(key, f"should be {message}, not {detail['input']!r}", run)


def _must_be_given(key: str) -> str:
    example = _EXAMPLES.get(key)
    return f"must be given: {key}={example}" if example else "must be given"


_EXAMPLES = {
    "model.name": "owner/name",
    "data.source_lang": "eng_Latn",
    "data.target_lang": "spa_Latn",
    "data.train_file": "pairs.jsonl",
    "data.package": "django",
}


def _cross_checks(config: RunConfig) -> Iterator[tuple[str, str]]:
    yield from _trainer_checks(config)
    if config.lora.load_in_4bit and config.lora.method == "none":
        yield (
            "lora.load_in_4bit",
            "4-bit weights cannot be trained whole; use lora=qlora or load_in_4bit=false",
        )
    for key, source in (("train_file", "files"), ("package", "gettext")):
        if config.data.source == source and getattr(config.data, key) is None:
            yield f"data.{key}", _must_be_given(f"data.{key}")
    if config.data.dev_file and not config.data.test_file:
        yield "data.test_file", "a dev file without a test file: give data.test_file as well"


def _trainer_checks(config: RunConfig) -> Iterator[tuple[str, str]]:
    kind = config.model.kind
    fields = arguments.fields(kind)
    trained_by = arguments.TRAINER_CLASS[kind]
    for name, value in config.trainer.others.items():
        key = f"trainer.{name}"
        if name in _OURS:
            yield key, _OURS[name]
        elif name not in fields:
            other: arguments.Kind = "seq2seq" if kind == "causal" else "causal"
            if name in arguments.fields(other):
                yield key, f"is no field of {trained_by}, which trains this {kind} model"
            else:
                yield key, unknown(key, known_keys(kind))
        elif complaint := fields[name].complaint(value):
            yield key, complaint


_OURS = {
    "output_dir": "is the run's own folder; set output_dir instead",
    "seed": "is shared by the whole run; set seed instead",
    "report_to": "is set by the tracking group; use tracking=wandb or tracking=none",
    "run_name": "is set by the tracking group",
    "auto_find_batch_size": "would change the effective batch in silence; set "
    "trainer.per_device_train_batch_size and trainer.gradient_accumulation_steps",
    "push_to_hub": "nothing is published by a run",
    "hub_token": "a token has no place in a configuration; use `hf auth login`",
    "use_cpu": "the device is chosen by the machine; set CUDA_VISIBLE_DEVICES= for the CPU",
}
"""TrainingArguments fields that mtsweep sets itself, and what to use instead."""
