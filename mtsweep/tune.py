"""From a base model to a tuned one: train now, go on from a checkpoint, or take what is trained."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mtsweep import advice, device
from mtsweep.data.devset import spread, without_test
from mtsweep.data.pairs import Corpus, Pair
from mtsweep.errors import RunFailedError, TooLargeError
from mtsweep.evaluation.devset import METRICS, DevScorer
from mtsweep.interruption import Pruned
from mtsweep.models.adapters import adapted, interpolated
from mtsweep.models.chat import ChatCodec
from mtsweep.models.codec import Codec
from mtsweep.models.load import Base, load
from mtsweep.plan import Run
from mtsweep.record import Training
from mtsweep.scores import LABELS, rounded
from mtsweep.tracking import Mirrors
from mtsweep.training import DevSet, checkpoints, fit
from mtsweep.training.company import company
from mtsweep.training.examples import measured
from mtsweep.watch import Watcher


@dataclass(frozen=True)
class Tuned:
    """A tuned model, on loan."""

    model: Any
    training: Training
    weights: Path
    """Where they are stored: in this run's folder or in that of a run trained the same way."""


@contextmanager
def tuned(run: Run, base: Base, tracker: Mirrors, watch: Watcher) -> Iterator[Tuned]:
    """The base model with a run's tuning on it; afterwards the base is as it was.

    Raises:
        TooLargeError: if memory ran out, and a smaller micro-batch is worth a try.
        RunFailedError: if the run cannot go on.
        Interrupted: behind a checkpoint.
    """
    lora = run.config.lora
    earlier = run.trained
    borrowed = lora.method != "none"
    if borrowed and base.digest is None:
        base.unchanged()
    stored = earlier.trained if earlier else None
    with adapted(base, lora, run.config.seed, stored, run.config.model) as model:
        if earlier and (training := earlier.training()) and earlier.trained:
            if earlier != run.folder:
                watch.say(f"{run.label}: weights of {earlier.id}, which was trained the same way")
            weights = earlier.trained
        else:
            training = _train(run, base, model, tracker, watch)
            weights = _store(model, run, training)
        anew = partial(load, run.config.model, lora, run.located, run.family, watch.say)
        with interpolated(model, run.config.evaluation.interpolate, anew):
            yield Tuned(model, training, weights)
    if borrowed and not base.unchanged():
        raise RunFailedError("the base model's weights changed: this is a bug; please report it")


_SHOWN = ("loss", "eval_loss", "dev_bleu", "dev_chrf")
"""Figures that an onlooker gets."""


@dataclass
class _Listener:
    """Training figures to the run folder, the tracker and the onlooker."""

    run: Run
    tracker: Mirrors
    watch: Watcher

    def say(self, text: str) -> None:
        self.watch.say(f"{self.run.label}: {text}")

    def begin(self, done: int, total: int) -> None:
        for figures in self.run.folder.rewind_metrics(done):
            kept = {name: value for name, value in figures.items() if name != "step"}
            self.tracker.log(int(figures["step"]), kept)
        if done:
            self.say(f"goes on from step {done} of {total}")
        self.watch.begin(self.run.label, "train", total)
        self.watch.advance(done, {})

    def step(self, done: int, figures: Mapping[str, float]) -> None:
        self.watch.advance(done, {**figures, "memory": device.memory()})

    def metrics(self, step: int, metrics: dict[str, float]) -> None:
        self.run.folder.log_metrics(step, metrics)
        self.tracker.log(step, metrics)
        shown = {key: metrics[key] for key in _SHOWN if key in metrics}
        self.watch.advance(step, shown)

    def looked(self, step: int, best: float) -> None:
        if not self.watch.looked(step, best):
            metric = self.run.config.trainer.metric_for_best_model or ""
            told = f"at step {step}, dev {LABELS[metric]} {rounded(metric, best)}"
            raise Pruned(step, best, told)


def _train(
    run: Run,
    base: Base,
    model: Any,  # noqa: ANN401 - a PreTrainedModel or a PeftModel
    tracker: Mirrors,
    watch: Watcher,
) -> Training:
    adjusted = run.folder.adjusted()
    trainer = run.config.trainer.model_copy(update=adjusted)
    corpus, codec = _seen(run), _codec(run, base)
    listener = _Listener(run, tracker, watch)
    if frozen := run.config.model.freeze:
        listener.say(f"{', '.join(frozen)} frozen; trains {_trained_share(model)}")
    told = _advice(run, codec)
    for each in told:
        listener.say(each)
    try:
        with company(run, trainer.processes, run.folder.log):
            fitted = fit(
                model, codec, corpus, trainer, run.config.seed, run.folder.path, listener,
                _dev_set(run, base, corpus),
            )  # fmt: skip
    except Exception as error:
        if not device.is_out_of_memory(error):
            raise
        batch = trainer.per_device_train_batch_size, trainer.gradient_accumulation_steps
    else:
        return Training(
            train_id=run.train_id,
            seconds=fitted.seconds,
            seconds_per_step=fitted.seconds_per_step,
            steps=fitted.steps,
            too_long=fitted.too_long,
            fewer_examples=fitted.fewer_examples,
            trainable_parameters=fitted.trainable_parameters,
            adjusted=adjusted,
            chosen=fitted.chosen,
            advice=tuple(told),
        )
    # Outside of the handler, whose traceback would keep the activations alive.
    raise _smaller(run, *batch)


def help_train(run: Run) -> None:
    """Take part in a training whose first process is a worker: no file is written by this one."""
    config, corpus = run.config, _seen(run)
    trainer = config.trainer.model_copy(update=run.folder.adjusted())
    base = load(config.model, config.lora, run.located, run.family, lambda _: None)
    with adapted(base, config.lora, config.seed, None, config.model) as model:
        codec = _codec(run, base)
        fit(model, codec, corpus, trainer, config.seed, run.folder.path, _Mute())


class _Mute:
    """Who listens to a training that another process tells of."""

    def say(self, text: str) -> None: ...

    def begin(self, done: int, total: int) -> None: ...

    def step(self, done: int, figures: Mapping[str, float]) -> None: ...

    def metrics(self, step: int, metrics: dict[str, float]) -> None: ...

    def looked(self, step: int, best: float) -> None: ...


def _codec(run: Run, base: Base) -> Codec | ChatCodec:
    data = run.config.data
    if data.is_chat:
        return base.chat_codec()
    return base.codec((data.source_lang, data.target_lang), run.config.prompt, run.shots)


def _advice(run: Run, codec: Codec | ChatCodec) -> list[str]:
    """What the tokenizer says of the pairs; conversations have a codec of another kind."""
    if isinstance(codec, ChatCodec):
        return []
    pairs = run.corpus.train
    return [
        *advice.by_tokens(measured(pairs, codec), run.config.trainer),
        *advice.spelling(pairs, codec, run.corpus.target_lang),
    ]


def _seen(run: Run) -> Corpus:
    """What training sees of the data: nothing of the test set.

    Where the dev set chooses, it has nothing in common with the test set either.
    """
    chooses = run.config.trainer.metric_for_best_model is not None
    return replace(run.corpus, test=(), dev=without_test(run.corpus) if chooses else run.corpus.dev)


def _dev_set(run: Run, base: Base, corpus: Corpus) -> DevSet | None:
    """How the dev set is translated on the way, where anything asks for it."""
    config = run.config
    if corpus.is_chat or not (config.evaluation.every or config.trainer.translates):
        return None
    groups: dict[tuple[str, str], list[Pair]] = {}
    for pair in spread(corpus.dev, config.evaluation.dev_segments):
        languages = pair.languages or (corpus.source_lang, corpus.target_lang)
        groups.setdefault(languages, []).append(pair)
    codecs = {languages: base.codec(languages, config.prompt, run.shots) for languages in groups}
    chosen = config.trainer.metric_for_best_model if config.trainer.translates else None
    metrics = dict.fromkeys((*METRICS, *filter(None, [chosen])))
    return DevSet(DevScorer(groups, codecs, tuple(metrics)), config.evaluation.every)


def _trained_share(model: Any) -> str:  # noqa: ANN401
    """How many parameters are trained, of how many."""
    sizes = [(each.numel(), each.requires_grad) for each in model.parameters()]
    trained, total = sum(size for size, free in sizes if free), sum(size for size, _ in sizes)
    return f"{trained:,} of {total:,} parameters"


def _smaller(run: Run, micro: int, accumulation: int) -> RunFailedError:
    """Halve the micro-batch for the next start; the effective batch stays what it was."""
    size = next((size for size in range(micro // 2, 0, -1) if micro % size == 0), None)
    if size is None:
        return RunFailedError(
            "out of memory, even with one pair at a time "
            f"({device.in_use()}): use lora=qlora, trainer.gradient_checkpointing=true, "
            "a smaller trainer.max_length or a smaller model"
        )
    fewer = {
        "per_device_train_batch_size": size,
        "gradient_accumulation_steps": accumulation * micro // size,
    }
    run.folder.adjust(fewer)
    return TooLargeError(
        f"out of memory with {micro} pairs at once; goes on with {size} and "
        f"{fewer['gradient_accumulation_steps']} accumulation steps (the same effective batch)"
    )


def _store(model: Any, run: Run, training: Training) -> Path:  # noqa: ANN401
    name = "model" if run.config.lora.method == "none" else "adapter"
    draft = run.folder.path / f"{name}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    model.save_pretrained(draft)
    run.folder.keep_weights(draft, name, training)
    checkpoints.remove(run.folder.path)
    return run.folder.path / name
