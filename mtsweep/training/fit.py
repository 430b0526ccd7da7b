"""Tune a model on pairs, through TRL's SFTTrainer or HF's Seq2SeqTrainer."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtsweep import ranks
from mtsweep.config import TrainerConfig
from mtsweep.data.pairs import Conversation, Corpus, Pair
from mtsweep.models import tokens
from mtsweep.models.chat import ChatCodec
from mtsweep.models.codec import FEWER, Codec
from mtsweep.models.families import Family
from mtsweep.training import checkpoints, examples, preflight, settings
from mtsweep.training.callbacks import Listener, Report
from mtsweep.training.checkpoints import Checkpoint, Keeper
from mtsweep.training.choice import Chooser, DevSet
from mtsweep.training.compact import compact_head, no_casts_behind_autocast
from mtsweep.training.company import Lead, Meet
from mtsweep.training.examples import Examples
from mtsweep.training.order import steady, token_mean

if TYPE_CHECKING:
    from transformers import Trainer, TrainerCallback

log = logging.getLogger(__name__)

_CHECKED = 8
_LOOKED_AT = 100_000
"""Examples among which those to check are looked for."""


CHECKPOINT_SECONDS = 300.0


@dataclass(frozen=True)
class Fitted:
    """What a tuning came to; the model itself was changed in place."""

    seconds: float
    """Of the training loop, dev losses included, over all starts."""
    steps: int
    """Optimiser steps taken."""
    too_long: int
    """Training pairs left out because of ``trainer.max_length``."""
    trainable_parameters: int
    fewer_examples: int = 0
    """Training and dev texts with fewer examples before them than were asked for."""
    seconds_per_step: float | None = None
    """Of this start, without its first step, dev set and checkpoints; ``None``: it took none."""
    chosen: dict[str, Any] = field(default_factory=dict)
    """Step, metric and value of the weights that were kept; empty: the last step's."""


def fit(  # noqa: PLR0913, PLR0917 - the sections it uses, rather than the whole configuration
    model: Any,  # noqa: ANN401 - a PreTrainedModel or a PeftModel
    codec: Codec | ChatCodec,
    corpus: Corpus,
    trainer: TrainerConfig,
    seed: int,
    folder: Path,
    listener: Listener,
    dev_set: DevSet | None = None,
) -> Fitted:
    """Train what is trainable of a model on the corpus's training pairs.

    Args:
        model: On its device.
        codec: Of the model and language pair, or of conversations.
        corpus: Its training and dev pairs are used.
        trainer: As configured.
        seed: Of data order and dropout.
        folder: Of the run; checkpoints go there, and the newest whole one is gone on from.
        listener: Gets steps and figures.
        dev_set: Translates dev pairs, for curves and for the choice of a step.

    Raises:
        RunFailedError: if the preflight finds a fault, or the loss is not finite.
        Interrupted: behind a checkpoint, if somebody asked to stop.
    """
    made = _encoded(corpus.train, codec, trainer.max_length)
    train, dev = made.rows, _encoded(corpus.dev, codec, trainer.max_length).rows
    fewer = sum(_fewer(pairs, codec) for pairs in (corpus.train, corpus.dev))
    if fewer:
        listener.say(f"{fewer} training and dev texts {FEWER}")
    if codec.family != "causal" and trainer.gradient_checkpointing:
        model.enable_input_require_grads()
    hf = _trainer(model, codec, trainer, seed, folder, (train, dev))
    if ranks.first():
        log.info("%s", _preflight(corpus.train, codec, made, hf.data_collator))
    start, broken = ranks.share(checkpoints.latest(folder) if ranks.first() else (None, []))
    for told in broken:
        listener.say(told)
    earlier = start.seconds if start else 0.0
    length = float(examples.lengths(train).mean())
    chooser = Chooser(trainer, dev_set, folder, listener)
    if ranks.first():
        chooser.resume(start.path if start else None)
    keeper = Keeper(folder, CHECKPOINT_SECONDS, earlier)
    report = Report(listener, length)
    _replace_callbacks(hf, *_in_order(report, chooser, keeper))
    began = time.monotonic()
    try:
        if start and ranks.share(ranks.first() and _ended(hf, start, chooser)):
            listener.begin(start.step, start.step)
            steps = start.step
        else:
            with compact_head(), no_casts_behind_autocast():
                state = hf.train(resume_from_checkpoint=str(start.path) if start else None)
            steps = state.global_step
        chosen = chooser.take_best(model, steps) if ranks.first() else {}
    finally:
        # Whatever happened, the model may be taken up again with another batch size.
        trainable = sum(each.numel() for each in model.parameters() if each.requires_grad)
        _clean(model, hf, trainer)
    seconds = earlier + time.monotonic() - began
    return Fitted(seconds, steps, made.too_long, trainable, fewer, report.pace, chosen)


def _in_order(report: Report, chooser: Chooser, keeper: Keeper) -> list[TrainerCallback]:
    """What looks on; of several processes the first alone tells, chooses and keeps."""
    if ranks.count() == 1:
        return [report, chooser, keeper]
    own = [report, chooser, keeper] if ranks.first() else []
    return [Meet(), *own, Lead()]


def _ended(hf: Trainer, last: Checkpoint, chooser: Chooser) -> bool:
    """Whether nothing is left to train behind a checkpoint, whose weights are in the model then.

    HF would go one step further. A translation that the checkpoint owes may end the training too.
    """
    if chooser.seen.owed or chooser.seen.stopped or last.through:
        hf._load_from_checkpoint(str(last.path))
        chooser.pay(last.step, hf.model)
    return chooser.seen.stopped or last.through


def _fewer(pairs: Sequence[Pair], codec: Codec | ChatCodec) -> int:
    """How many texts have fewer examples before them than the prompt asks for."""
    if isinstance(codec, ChatCodec) or codec.shots is None:
        return 0
    count = codec.shots.count
    return sum(int((piece.shown < count).sum()) for piece in tokens.sides(pairs, codec))


def trainer_class(family: Family) -> type[Any]:
    """Who trains models of a family; the first call imports it, which takes seconds."""
    if family == "causal":
        from trl.trainer.sft_trainer import SFTTrainer

        return SFTTrainer
    from transformers import Seq2SeqTrainer

    return Seq2SeqTrainer


def _encoded(pairs: Sequence[Pair], codec: Codec | ChatCodec, max_length: int | None) -> Examples:
    """Token ids in the trainer's columns."""
    if isinstance(codec, ChatCodec):
        return examples.chat(pairs, codec, max_length)
    encode = examples.causal if codec.family == "causal" else examples.seq2seq
    return encode(pairs, codec, max_length)


def _trainer(  # noqa: PLR0913
    model: Any,  # noqa: ANN401
    codec: Codec | ChatCodec,
    trainer: TrainerConfig,
    seed: int,
    folder: Path,
    data: tuple[Any, Any],
) -> Trainer:
    given = {
        "model": model,
        "train_dataset": data[0],
        "eval_dataset": data[1],
        "processing_class": codec.tokenizer,
    }
    made_by = trainer_class(codec.family)
    if codec.family == "causal":
        made = steady(made_by, seed)(args=settings.sft_config(trainer, seed, folder), **given)
    else:
        from transformers import DataCollatorForSeq2Seq

        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        made = steady(token_mean(made_by), seed)(
            args=settings.seq2seq_arguments(trainer, seed, folder),
            data_collator=DataCollatorForSeq2Seq(codec.tokenizer, model=base),
            **given,
        )
    if hasattr(model, "peft_config"):
        # PEFT would ask the hub whether the vocabulary was changed; no run changes it.
        model.save_pretrained = partial(
            type(model).save_pretrained, model, save_embedding_layers=False
        )
    return made


def _preflight(
    pairs: Sequence[Pair],
    codec: Codec | ChatCodec,
    made: Examples,
    collate: Callable[[Any], Any],
) -> str:
    """Look at the first examples as they are trained on; an earlier process may have made them."""
    if isinstance(codec, ChatCodec):
        return _preflight_chat(pairs, codec, made, collate)
    chosen: dict[int, Pair] = {}
    taken: Counter[Codec] = Counter()
    for number, place in enumerate(made.places[:_LOOKED_AT].tolist()):
        pair = pairs[place]
        own = codec.of(pair)
        if taken[own] < _CHECKED:  # of every language pair so many
            chosen[number] = pair
            taken[own] += 1
    rows = [dict(made.rows[number]) for number in chosen]
    return preflight.check([*chosen.values()], rows, collate, codec)


def _preflight_chat(
    pairs: Sequence[Pair],
    codec: ChatCodec,
    made: Examples,
    collate: Callable[[Any], Any],
) -> str:
    """The same of the first conversations that are trained on whole."""
    chosen: list[Conversation] = []
    rows: list[Any] = []
    for place, group in groupby(enumerate(made.places[:_LOOKED_AT].tolist()), key=itemgetter(1)):
        each, own = pairs[place], [dict(made.rows[number]) for number, _ in group]
        if isinstance(each, Conversation) and len(codec.spoken(each.messages)) == len(own):
            chosen.append(each)
            rows.extend(own)
        if len(chosen) == _CHECKED:
            break
    return preflight.check_chat(chosen, rows, collate, codec) if chosen else "preflight: no example"


def _replace_callbacks(hf: Trainer, *ours: TrainerCallback) -> None:
    from transformers import PrinterCallback, ProgressCallback

    for spoken in (PrinterCallback, ProgressCallback):
        hf.remove_callback(spoken)
    for callback in ours:
        hf.add_callback(callback)


def _clean(model: Any, hf: Trainer, trainer: TrainerConfig) -> None:  # noqa: ANN401
    """Leave nothing of the trainer on the model."""
    if trainer.gradient_checkpointing:
        model.gradient_checkpointing_disable()
        model.disable_input_require_grads()
    hf.accelerator.free_memory()
    model.zero_grad(set_to_none=True)
    model.eval()
