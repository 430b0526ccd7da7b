"""What is likely to disappoint in a training, told before it starts; never an error.

What a configuration and its pairs tell is told without torch; what the tokenizer tells, once it is
there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from mtsweep import languages
from mtsweep.config import RunConfig, TrainerConfig
from mtsweep.data.pairs import Corpus, Pair

if TYPE_CHECKING:
    from mtsweep.models.ragged import Array

_PASSES = 20
"""Passes over the training pairs behind which little but learning by heart is to be expected."""
_SAMPLE = 500
"""Pairs that tell how a tokenizer spells a language."""


class Encoder(Protocol):
    """Texts to the token ids that a model sees."""

    def target_ids(self, text: str) -> list[int]:
        """Of what the model shall say, end token included."""
        ...


def before(config: RunConfig, corpus: Corpus) -> list[str]:
    """Advice that configuration and pairs give: ``key: figure and what follows``."""
    if config.lora.method == "untouched":
        return []
    return [*_schedule(config, len(corpus.train)), *_without_effect(config, len(corpus.train))]


def steps_per_epoch(trainer: TrainerConfig, pairs: int) -> int:
    """Optimiser steps of one pass over the pairs, as HF counts them."""
    batches = math.ceil(pairs / (trainer.per_device_train_batch_size * trainer.processes))
    return max(math.ceil(batches / trainer.gradient_accumulation_steps), 1)


def steps(trainer: TrainerConfig, pairs: int) -> int:
    """Optimiser steps of the whole training."""
    epochs = trainer.num_train_epochs * steps_per_epoch(trainer, pairs)
    return trainer.max_steps or math.ceil(epochs)


def _schedule(config: RunConfig, pairs: int) -> Iterator[str]:
    trainer = config.trainer
    total, epoch = steps(trainer, pairs), steps_per_epoch(trainer, pairs)
    warm = float(trainer.others.get("warmup_steps") or 0)
    warm = warm if warm >= 1 else math.ceil(total * warm)
    if warm >= total:
        peak = trainer.learning_rate * (total - 1) / warm
        yield (
            f"trainer.warmup_steps: {warm:g} warm-up steps of {total} in all: the learning rate "
            f"never reaches {trainer.learning_rate:g}, but {peak:.3g} at most"
        )
    asked = "num_train_epochs" in trainer.model_fields_set and trainer.max_steps is not None
    if asked and total != math.ceil(trainer.num_train_epochs * epoch):
        yield (
            f"trainer.max_steps: {total} steps win over trainer.num_train_epochs="
            f"{trainer.num_train_epochs:g}: {total / epoch:.2g} epochs of {epoch} steps each; "
            "trainer.max_steps=null trains by epochs"
        )
    batch = trainer.batch
    if pairs < batch:
        yield (
            f"trainer.per_device_train_batch_size: {pairs} training pairs are fewer than a batch "
            f"of {batch}: every step sees all of them, and {total} steps are {total} epochs"
        )
    elif total / epoch > _PASSES:
        passes = f"{total} steps pass {total / epoch:.0f} times over {pairs} pairs"
        yield f"trainer.{'max_steps' if trainer.max_steps else 'num_train_epochs'}: {passes}"


def _without_effect(config: RunConfig, pairs: int) -> Iterator[str]:
    total, every = steps(config.trainer, pairs), config.evaluation.every
    if every is not None and every > total:
        yield (
            f"evaluation.every: {every} steps are more than the {total} that are trained: the dev "
            "set is translated once, at the end"
        )
    if "embeddings" in (config.model.freeze or ()) and config.lora.method == "lora":
        yield (
            "model.freeze: 'embeddings' changes nothing for an adapter of linear layers, which "
            "leaves them as they are anyway"
        )


def by_tokens(lengths: Array, trainer: TrainerConfig) -> list[str]:
    """Advice that the tokenizer gives.

    Args:
        lengths: Of every training pair, what ``max_length`` bounds.
        trainer: Its ``max_length`` is used.
    """
    limit = trainer.max_length
    over = int((lengths > limit).sum()) if limit is not None else 0
    if not over:
        return []
    return [
        f"trainer.max_length: {over} of {len(lengths)} training pairs "
        f"({over / len(lengths):.1%}) are longer than {limit} tokens and are left out"
    ]


def spelling(pairs: Sequence[Pair], encoder: Encoder, target_lang: str) -> list[str]:
    """Advice on a target language that the tokenizer spells in bytes.

    More tokens than characters: for a language with words of its own in the vocabulary it is one
    token for three or four.
    """
    texts = [pair.target for pair in pairs[:: max(len(pairs) // _SAMPLE, 1)]]
    tokens = sum(len(encoder.target_ids(text)) - 1 for text in texts)
    characters = sum(len("".join(text.split())) for text in texts)
    words = sum(len(text.split()) for text in texts)
    if not characters or tokens <= characters:
        return []
    return [
        f"data.target_lang: the tokenizer spells {languages.name(target_lang)} in bytes, "
        f"{tokens / words:.1f} tokens a word ({tokens / characters:.1f} a character): slow, "
        "hard to learn, soon at the end of the context; a model that knows the language does "
        "better"
    ]
