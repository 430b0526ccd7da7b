"""The spine: one run, from its configuration to its record."""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from mtsweep import __version__, device
from mtsweep.data.pairs import Pair
from mtsweep.evaluation.generate import Hypothesis, generate, max_new_tokens
from mtsweep.evaluation.metrics import degeneration, score
from mtsweep.models.adapters import adapted
from mtsweep.models.load import Base
from mtsweep.plan import Run
from mtsweep.record import Cost, Record, RunFolder, records
from mtsweep.scores import LABELS, Score
from mtsweep.tracking import Identity, Tracker, open_tracker
from mtsweep.training import Fitted, fit
from mtsweep.watch import Watcher

BASE_LABEL = "base (untouched)"
_LIBRARIES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "datasets", "sacrebleu")


def execute(run: Run, base: Base, sweep: str, watch: Watcher) -> Record:
    """Take one run to its record; the untouched model is scored first, if nobody has yet.

    Raises:
        RunFailedError: if the run cannot go on.
    """
    base_record = run.base_folder.record() or _score_base(run, base, sweep, watch)
    if (record := run.folder.record()) is not None:
        return record  # only its base row was missing
    config, label = run.config, run.label
    tracker = _open(run, run.folder, sweep, label)
    try:
        device.reset_peak_memory()
        earlier = _trained_before(run)
        weights = earlier[0].trained if earlier else None
        with adapted(base, config.lora, config.seed, weights) as model:
            if earlier:
                watch.say(f"{label}: weights of {earlier[0].id}, which was trained the same way")
                seconds, trainable = 0.0, earlier[1].cost.trainable_parameters
                too_long = int(earlier[1].data["too_long"])
            else:
                fitted = _train(run, base, model, tracker, watch)
                seconds, trainable = fitted.seconds, fitted.trainable_parameters
                too_long = fitted.too_long
                _store(model, run)
            scored = _translate_and_score(run, base, model, run.folder, watch)
        record = Record(
            id=run.id,
            train_id=run.train_id,
            kind="run",
            config=config.model_dump(mode="json"),
            scores=scored.scores,
            base_scores=base_record.scores,
            degeneration=scored.degeneration,
            data={**_data(run), "too_long": too_long},
            cost=_cost(base, scored, seconds, trainable, _bytes(weights or run.folder.trained)),
            environment=_environment(base, tracker),
        )
    except BaseException:
        tracker.finish(None, [])
        raise
    _finish(run.folder, record, tracker, scored.samples)
    return record


def _score_base(run: Run, base: Base, sweep: str, watch: Watcher) -> Record:
    """The untouched model under the run's prompt, test set and decoding: the base row."""
    run.base_folder.start(_yaml(run))
    run.base_folder.set_state("running")
    tracker = _open(run, run.base_folder, sweep, BASE_LABEL)
    device.reset_peak_memory()
    try:
        scored = _translate_and_score(run, base, base.model, run.base_folder, watch, BASE_LABEL)
    except BaseException:
        run.base_folder.set_state("failed", f"see the log of {run.id}")
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
        data=_data(run),
        cost=_cost(base, scored, 0.0, 0, 0),
        environment=_environment(base, tracker),
    )
    _finish(run.base_folder, record, tracker, scored.samples)
    watch.end(BASE_LABEL, summary(record))
    return record


def _trained_before(run: Run) -> tuple[RunFolder, Record] | None:
    """Another finished run with the same training, if its adapter is still there."""
    if run.config.lora.method == "none":
        return None
    for folder, record in records(run.folder.path.parent):
        if record.train_id == run.train_id and folder.trained is not None:
            return folder, record
    return None


@dataclass
class _Listener:
    """Training figures to the run folder, the tracker and the onlooker."""

    folder: RunFolder
    tracker: Tracker
    watch: Watcher
    note: str = ""

    def step(self, done: int, total: int) -> None:  # noqa: ARG002 - the stage knows its total
        self.watch.advance(done, self.note)

    def metrics(self, step: int, metrics: dict[str, float]) -> None:
        self.folder.log_metrics(step, metrics)
        self.tracker.log(step, metrics)
        for key, label in (("loss", "loss"), ("eval_loss", "dev loss")):
            if key in metrics:
                self.note = f"{label} {metrics[key]:.3f}"


def _train(
    run: Run,
    base: Base,
    model: Any,  # noqa: ANN401 - a PreTrainedModel or a PeftModel
    tracker: Tracker,
    watch: Watcher,
) -> Fitted:
    trainer = run.config.trainer
    total = trainer.max_steps or _steps(run)
    watch.begin(run.label, "train", total)
    return fit(
        model,
        _codec(run, base),
        run.corpus,
        trainer,
        run.config.seed,
        run.folder.path,
        _Listener(run.folder, tracker, watch),
    )


def _steps(run: Run) -> int:
    trainer = run.config.trainer
    batch = trainer.per_device_train_batch_size * trainer.gradient_accumulation_steps
    return max(1, round(trainer.num_train_epochs * -(-len(run.corpus.train) // batch)))


def _store(model: Any, run: Run) -> None:  # noqa: ANN401
    whole = run.config.lora.method == "none"
    folder = run.folder.model if whole else run.folder.adapter
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    # PEFT would ask the hub whether the vocabulary was changed; no run changes it.
    model.save_pretrained(draft, **({} if whole else {"save_embedding_layers": False}))
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


@dataclass(frozen=True)
class _Scored:
    scores: dict[str, Score]
    degeneration: Any
    seconds: float
    samples: Sequence[Mapping[str, str]]


def _translate_and_score(  # noqa: PLR0913
    run: Run,
    base: Base,
    model: Any,  # noqa: ANN401
    folder: RunFolder,
    watch: Watcher,
    label: str = "",
) -> _Scored:
    started = time.monotonic()
    config, test, codec = run.config, run.corpus.test, _codec(run, base)
    watch.begin(label or run.label, "translate", len(test))
    limit = max_new_tokens(config.decoding, run.corpus.longest_probe, codec)
    hypotheses = generate(
        model, codec, [pair.source for pair in test], config.decoding, limit, watch.advance
    )
    rows = [_row(pair, said) for pair, said in zip(test, hypotheses, strict=True)]
    folder.write_predictions("test", rows)
    references = [pair.target for pair in test]
    texts = [hypothesis.text for hypothesis in hypotheses]
    shown = rows[: config.evaluation.samples]
    return _Scored(
        score(texts, references, config.data.target_lang, config.evaluation.metrics),
        degeneration(hypotheses, references),
        time.monotonic() - started,
        [{key: str(value) for key, value in row.items()} for row in shown],
    )


def _row(pair: Pair, said: Hypothesis) -> dict[str, Any]:
    return {
        "id": pair.id,
        "source": pair.source,
        "reference": pair.target,
        "hypothesis": said.text,
        "stopped": said.stopped,
        "tokens": said.tokens,
    }


def _codec(run: Run, base: Base) -> Any:  # noqa: ANN401
    data = run.config.data
    return base.codec((data.source_lang, data.target_lang), run.config.prompt)


def _open(run: Run, folder: RunFolder, sweep: str, name: str) -> Tracker:
    config = run.config
    tuning = "base" if folder == run.base_folder else tuning_name(run)
    identity = Identity(
        id=folder.id,
        name=name,
        group=sweep,
        tags=(Path(config.model.name).name, config.data.name, tuning),
        config=config.model_dump(mode="json", exclude={"tracking", "output_dir", "sweep"}),
        folder=folder.path,
    )
    return open_tracker(config.tracking, identity)


def tuning_name(run: Run) -> str:
    """What people call the tuning: ``full``, ``lora``, ``dora`` or ``qlora``."""
    lora = run.config.lora
    if lora.method == "none":
        return "full"
    return "qlora" if lora.load_in_4bit else "dora" if lora.use_dora else "lora"


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
    }


def _cost(base: Base, scored: _Scored, seconds: float, trainable: int, stored: int) -> Cost:
    return Cost(
        seconds_train=seconds,
        seconds_evaluate=scored.seconds,
        peak_memory_bytes=device.peak_memory(),
        trainable_parameters=trainable,
        total_parameters=base.model.num_parameters(),
        adapter_bytes=stored,
    )


def _bytes(folder: Path | None) -> int:
    return sum(path.stat().st_size for path in folder.iterdir()) if folder else 0


def _environment(base: Base, tracker: Tracker) -> dict[str, Any]:
    return {
        "mtsweep": __version__,
        **{name: version(name) for name in _LIBRARIES},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device.describe(),
        "precision": str(base.model.dtype).removeprefix("torch."),
        "tracking": tracker.link,
        "threads": os.environ.get("OMP_NUM_THREADS"),
    }


def _finish(
    folder: RunFolder, record: Record, tracker: Tracker, samples: Sequence[Mapping[str, str]]
) -> None:
    tracker.finish(record, samples)
    folder.finish(record)


def summary(record: Record) -> str:
    """Scores of a record in a phrase."""
    told = [f"{LABELS[name]} {score.value:.1f}" for name, score in record.scores.items()]
    return ", ".join([*told, f"{record.degeneration.stopped:.0%} stop by themselves"])


def _yaml(run: Run) -> str:
    return yaml.safe_dump(
        json.loads(run.config.model_dump_json()), sort_keys=False, allow_unicode=True
    )


def start(run: Run) -> None:
    """Make the run folder and say that the run is on, unless it is finished."""
    if run.folder.record() is None:
        run.folder.start(_yaml(run))
        run.folder.set_state("running")
