"""The spine: one run, from its configuration to its record."""

from __future__ import annotations

import dataclasses
import logging
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mtsweep import __version__, advice, curves, device, dialogue, samples
from mtsweep import assess as translations
from mtsweep.assess import Assessment
from mtsweep.compare.before import foreseen
from mtsweep.config import TrainerConfig, tuning
from mtsweep.data.pairs import fold
from mtsweep.estimate import missed
from mtsweep.models.load import Base
from mtsweep.plan import Run
from mtsweep.record import Cost, Record, RunFolder, write
from mtsweep.scores import LABELS, rounded
from mtsweep.tracking import Identity, Mirrors, open_trackers
from mtsweep.tune import Tuned, tuned
from mtsweep.watch import Watcher

log = logging.getLogger(__name__)

BASE_LABEL = "base (untouched)"
_LISTED = 100
"""Leaks that a record lists; all of them are counted."""
_LIBRARIES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "datasets", "sacrebleu")


def execute(run: Run, base: Base, sweep: str, watch: Watcher) -> Record:
    """Take one run to its record; the untouched model is scored first, if nobody has yet.

    Raises:
        TooLargeError: if memory ran out; another start takes a smaller micro-batch.
        RunFailedError: if the run cannot go on.
        Interrupted: if somebody asked to stop; another start goes on from there.
    """
    if run.untouched:  # whose lock the worker holds already
        return run.folder.record() or _score_base(run, base, sweep, watch, run.label)
    base_record = _base_record(run, base, sweep, watch)
    if (record := run.folder.record()) is not None:
        return record  # only its base row was missing
    tracker = _open(run, run.folder, sweep, run.label)
    try:
        device.reset_peak_memory()
        with tuned(run, base, tracker, watch) as result:
            scored = _assess(run)(run, base, result.model, run.folder, watch, run.label)
        record = _recorded(run, base, base_record, result, scored)
    except BaseException:
        tracker.finish(None, [])
        raise
    shown = samples.table(scored.samples, run.base_folder.predictions("test", "probes"))
    write(run.folder.path / "samples.md", samples.as_markdown(record, base_record, shown))
    curves.draw(run.folder.path)
    if told := missed(record):
        log.info("took %s", told)
    _finish(run.folder, record, tracker, shown)
    return record


def _recorded(
    run: Run, base: Base, base_record: Record, result: Tuned, scored: Assessment
) -> Record:
    """What a tuned run came to, beside its base row."""
    config, training = run.config, result.training
    trained_here = result.weights.parent == run.folder.path
    examples = _examples(run, scored, training.fewer_examples)
    return Record(
        id=run.id,
        train_id=run.train_id,
        kind="run",
        config=config.model_dump(mode="json"),
        scores=scored.scores,
        base_scores=base_record.scores,
        degeneration=scored.degeneration,
        data={**_data(run), **examples, "too_long": training.too_long},
        cost=_cost(
            base,
            scored,
            training.seconds if trained_here else 0.0,
            training.trainable_parameters,
            _bytes(result.weights),
            training.seconds_per_step,
        ),
        environment={**_environment(base), **_together(config.trainer)},
        adjusted={**training.adjusted, **scored.adjusted},
        # Of a whole run alone: the seconds of one that took weights over mean nothing.
        estimate=run.guess.told() if trained_here else {},
        base_id=run.base_id,
        also=scored.also,
        base_also=base_record.also,
        parts=scored.parts,
        base_parts=base_record.parts,
        chosen=training.chosen,
        advice=(*advice.before(config, run.corpus), *training.advice),
    )


def _assess(run: Run) -> Callable[..., Assessment]:
    """Who scores the run: conversations are read and answered, texts translated."""
    return dialogue.assess if run.corpus.is_chat else translations.assess


def _base_record(run: Run, base: Base, sweep: str, watch: Watcher) -> Record:
    """The base row; whoever comes first scores it, others wait for it."""
    if (record := run.base_folder.record()) is not None:
        return record
    with run.base_folder.lock():
        if (record := run.base_folder.record()) is None:
            record = _score_base(run, base, sweep, watch, BASE_LABEL)
            watch.end(BASE_LABEL, summary(record), points(record))
            if told := foreseen(run.base_folder, record, 2):
                watch.say(told)
        return record


def _score_base(run: Run, base: Base, sweep: str, watch: Watcher, label: str) -> Record:
    """The untouched model under the run's prompt, test set and decoding: the base row."""
    run.base_folder.start(run.as_yaml())
    tracker = _open(run, run.base_folder, sweep, label)
    device.reset_peak_memory()
    try:
        scored = _assess(run)(run, base, base.model, run.base_folder, watch, label)
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt)
        told = "interrupted" if stopped else "failed"
        run.base_folder.set_state(told, "" if stopped else f"see the log of {run.id}")
        tracker.finish(None, [])
        raise
    record = Record(
        id=run.base_id,
        train_id=None,
        kind="base",
        config=run.config.model_dump(mode="json"),
        scores=scored.scores,
        base_scores=scored.scores,
        degeneration=scored.degeneration,
        data={**_data(run), **_examples(run, scored)},
        cost=_cost(base, scored, 0.0, 0, 0),
        environment=_environment(base),
        base_id=run.base_id,
        also=scored.also,
        base_also=scored.also,
        parts=scored.parts,
        base_parts=scored.parts,
    )
    _finish(run.base_folder, record, tracker, samples.table(scored.samples, ()))
    return record


def _open(run: Run, folder: RunFolder, sweep: str, name: str) -> Mirrors:
    config = run.config
    what = "base" if folder == run.base_folder else tuning(config.lora.model_dump())
    identity = Identity(
        id=folder.id,
        name=name,
        group=sweep,
        tags=(Path(config.model.name).name, config.data.name, what),
        config=config.model_dump(mode="json", exclude={"tracking", "output_dir", "sweep"}),
        folder=folder.path,
    )
    return open_trackers(config.tracking, identity)


def _data(run: Run) -> dict[str, Any]:
    corpus = run.corpus
    return {
        "fingerprint": corpus.fingerprint,
        "test_fingerprint": corpus.test_fingerprint,
        "train": len(corpus.train),
        "available": corpus.available,
        "dev": len(corpus.dev),
        "test": len(corpus.test),
        "dropped": corpus.dropped,
        "synthetic": corpus.synthetic,
        "provenance": list(corpus.provenance),
        "cleaning": {
            step.name: {"dropped": step.dropped, "changed": step.changed, "held_out": step.held_out}
            for step in corpus.steps
            if step.dropped or step.changed or step.held_out
        },
        "leaks": [dataclasses.asdict(leak) for leak in corpus.leaks[:_LISTED]],
        **({"also": _also(run)} if run.also else {}),
    }


def _examples(run: Run, scored: Assessment, fewer: int | None = None) -> dict[str, Any]:
    """What the prompt showed; in a run that trained also how many texts it showed fewer."""
    if run.shots is None:
        return {}
    told = {
        "shots": run.shots.count,
        "choice": run.shots.choice,
        "pool": len(run.shots.pairs),
        "fewer_in_test": scored.fewer_examples,
    }
    return {"examples": told if fewer is None else {**told, "fewer_in_training": fewer}}


def _also(run: Run) -> dict[str, dict[str, int]]:
    """Segments of each further test set, and how many of them were trained on."""
    asked = {fold(pair.source) for corpus in run.also.values() for pair in corpus.test}
    # Of the training texts no more is held than that: they may be more than memory has room for.
    trained = asked.intersection(fold(pair.source) for pair in run.corpus.train) if asked else ()
    return {
        name: {
            "segments": len(corpus.test),
            "in_training": sum(fold(pair.source) in trained for pair in corpus.test),
        }
        for name, corpus in run.also.items()
    }


def _cost(  # noqa: PLR0913
    base: Base,
    scored: Assessment,
    seconds: float,
    trainable: int,
    stored: int,
    seconds_per_step: float | None = None,
) -> Cost:
    return Cost(
        seconds_train=seconds,
        seconds_evaluate=scored.seconds,
        peak_memory_bytes=device.peak_memory(),
        trainable_parameters=trainable,
        total_parameters=base.model.num_parameters(),
        adapter_bytes=stored,
        seconds_per_step=seconds_per_step,
    )


def _bytes(folder: Path | None) -> int:
    return sum(path.stat().st_size for path in folder.iterdir()) if folder else 0


def _environment(base: Base) -> dict[str, Any]:
    return {
        "mtsweep": __version__,
        **{name: version(name) for name in _LIBRARIES},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device.in_use(),
        "precision": str(base.model.dtype).removeprefix("torch."),
        "threads": os.environ.get("OMP_NUM_THREADS"),
    }


def _together(trainer: TrainerConfig) -> dict[str, int]:
    """Where several processes trained, how many they were and what a step took of them all."""
    if trainer.processes == 1:
        return {}
    return {"processes": trainer.processes, "pairs_per_step": trainer.batch}


def _finish(
    folder: RunFolder, record: Record, tracker: Mirrors, shown: Sequence[Mapping[str, str]]
) -> None:
    tracker.finish(record, shown)
    environment = {**record.environment, "tracking": tracker.links}
    folder.finish(record.model_copy(update={"environment": environment}))


def points(record: Record) -> dict[str, float]:
    """Scores of a record by metric, as numbers."""
    return {name: score.value for name, score in record.scores.items()}


def summary(record: Record) -> str:
    """Scores of a record in a phrase."""
    told = [f"{LABELS[name]} {rounded(name, score.value)}" for name, score in record.scores.items()]
    return ", ".join([*told, f"{record.degeneration.stopped:.0%} stop by themselves"])
