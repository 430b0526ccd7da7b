"""How translations are generated and scored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from mtsweep.config.section import Section


class DecodingConfig(Section):
    """How translations are generated (``conf/decoding/``); HF GenerationConfig's own names."""

    name: str
    num_beams: PositiveInt = 1
    max_new_tokens: PositiveInt | None = None
    """Generated tokens at most; null takes a quarter more than the longest target of the first
    1,000 training pairs (before ``data.size``) has; of answers in a conversation 512 at most."""
    repetition_penalty: PositiveFloat = 1.0
    no_repeat_ngram_size: NonNegativeInt = 0
    batch_size: PositiveInt = 100
    """Segments generated at once."""


Metric = Literal["bleu", "chrf", "chrf++", "ter", "rouge", "meteor", "comet"]


BleuTokenizer = Literal[
    "auto", "13a", "intl", "zh", "ja-mecab", "ko-mecab", "flores200", "char", "none"
]


class EvaluationConfig(Section):
    """What is scored (``conf/evaluation/``)."""

    name: str
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1)] = ("bleu", "chrf")
    """What outputs are scored by: ``bleu``, ``chrf``, ``chrf++`` and ``ter`` as sacreBLEU does;
    ``rouge`` (ROUGE-L) and ``meteor`` (English targets) with the extra ``metrics``; ``comet`` in a
    process of its own when the runs of a sweep are done."""
    bleu_tokenizer: BleuTokenizer = "auto"
    """How BLEU cuts texts into words; ``auto`` goes by the target language (``zh``, ``ja-mecab``,
    ``ko-mecab``, ``flores200`` for scripts without spaces, else ``13a``)."""
    comet_model: str = "Unbabel/wmt22-comet-da"
    """COMET's model, of the hub or a checkpoint's path."""
    comet_python: str | None = None
    """A Python that has unbabel-comet, which needs an environment of its own; null: this one."""
    comet_batch_size: PositiveInt = 16
    """Segments that COMET reads at once."""
    samples: NonNegativeInt = 10
    """Segments shown, base and tuned side by side, in ``samples.md`` and by the tracker."""
    answers: PositiveInt = 50
    """Conversations: first turns of the test set that are answered, for how the answers behave. The
    losses are of the whole test set."""
    probes: tuple[str, ...] | None = None
    """Texts translated beside the test set and shown first; null takes questions of a dental
    patient, where the source language has them."""
    interpolate: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the tuning in the weights that are scored and used (Wortsman et al. 2022): 1 is the
    tuned model, 0 the untouched one, between them each weight is mixed. Nothing is trained anew."""
    every: PositiveInt | None = None
    """Optimiser steps between two translations of the dev set: curves of BLEU and chrF. Null
    translates it only where ``trainer.metric_for_best_model`` needs that, as often as a dev loss is
    taken."""
    dev_segments: PositiveInt = 100
    """Dev segments that are translated each time, evenly out of the dev set."""
    also: dict[str, dict[str, Any]] = {}
    """Further test sets, scored before and after: a name to what differs from the data section
    (``evaluation.also.legal.domains=[legal]``), or to a whole one
    (``+data@evaluation.also.general=phrasebook``). Their test part is taken, nothing else."""
