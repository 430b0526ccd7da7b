"""The spine: one run, from its configuration to its record."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mtsweep import __version__, device
from mtsweep.config import DecodingConfig
from mtsweep.data.pairs import Pair
from mtsweep.evaluation.generate import Hypothesis, generate, max_new_tokens
from mtsweep.evaluation.metrics import degeneration, score
from mtsweep.models.adapters import merged
from mtsweep.models.codec import Codec
from mtsweep.models.load import Base
from mtsweep.plan import Run
from mtsweep.record import Cost, Record, RunFolder
from mtsweep.scores import LABELS, Score
from mtsweep.tracking import Identity, Tracker, open_tracker
from mtsweep.tune import tuned
from mtsweep.watch import Watcher

BASE_LABEL = "base (untouched)"
_LIBRARIES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "datasets", "sacrebleu")


def execute(run: Run, base: Base, sweep: str, watch: Watcher) -> Record:
    """Take one run to its record; the untouched model is scored first, if nobody has yet.

    Raises:
        TooLargeError: if memory ran out; another start takes a smaller micro-batch.
        RunFailedError: if the run cannot go on.
        Interrupted: if somebody asked to stop; another start goes on from there.
    """
    base_record = _base_record(run, base, sweep, watch)
    if (record := run.folder.record()) is not None:
        return record  # only its base row was missing
    config = run.config
    tracker = _open(run, run.folder, sweep, run.label)
    try:
        device.reset_peak_memory()
        with tuned(run, base, tracker, watch) as result:
            training = result.training
            scored = _translate_and_score(run, base, result.model, run.folder, watch)
            trained_here = result.weights.parent == run.folder.path
        record = Record(
            id=run.id,
            train_id=run.train_id,
            kind="run",
            config=config.model_dump(mode="json"),
            scores=scored.scores,
            base_scores=base_record.scores,
            degeneration=scored.degeneration,
            data={**_data(run), "too_long": training.too_long},
            cost=_cost(
                base,
                scored,
                training.seconds if trained_here else 0.0,
                training.trainable_parameters,
                _bytes(result.weights),
            ),
            environment=_environment(base, tracker),
            adjusted={**training.adjusted, **scored.adjusted},
            # Of a whole run alone: the seconds of one that took weights over mean nothing.
            estimate=run.guess.told() if trained_here else {},
        )
    except BaseException:
        tracker.finish(None, [])
        raise
    _finish(run.folder, record, tracker, scored.samples)
    return record


def _base_record(run: Run, base: Base, sweep: str, watch: Watcher) -> Record:
    """The base row; whoever comes first scores it, others wait for it."""
    if (record := run.base_folder.record()) is not None:
        return record
    with run.base_folder.lock():
        return run.base_folder.record() or _score_base(run, base, sweep, watch)


def _score_base(run: Run, base: Base, sweep: str, watch: Watcher) -> Record:
    """The untouched model under the run's prompt, test set and decoding: the base row."""
    run.base_folder.start(run.as_yaml())
    tracker = _open(run, run.base_folder, sweep, BASE_LABEL)
    device.reset_peak_memory()
    try:
        scored = _translate_and_score(run, base, base.model, run.base_folder, watch, BASE_LABEL)
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
        data=_data(run),
        cost=_cost(base, scored, 0.0, 0, 0),
        environment=_environment(base, tracker),
    )
    _finish(run.base_folder, record, tracker, scored.samples)
    watch.end(BASE_LABEL, summary(record))
    return record


@dataclass(frozen=True)
class _Scored:
    scores: dict[str, Score]
    degeneration: Any
    seconds: float
    samples: Sequence[Mapping[str, str]]
    adjusted: dict[str, int]


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
    with merged(model):
        hypotheses, adjusted = _hypotheses(model, codec, test, config.decoding, limit, watch)
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
        adjusted,
    )


def _hypotheses(  # noqa: PLR0913
    model: Any,  # noqa: ANN401
    codec: Codec,
    test: Sequence[Pair],
    decoding: DecodingConfig,
    limit: int,
    watch: Watcher,
) -> tuple[list[Hypothesis], dict[str, int]]:
    """Translations of the test set, in smaller batches where memory asks for it."""
    sources, adjusted = [pair.source for pair in test], {}
    while True:
        try:
            told = lambda done: watch.advance(done, {})  # noqa: E731
            return generate(model, codec, sources, decoding, limit, told), adjusted
        except Exception as error:
            if not device.is_out_of_memory(error) or decoding.batch_size == 1:
                raise
        adjusted = {"decoding.batch_size": decoding.batch_size // 2}
        decoding = decoding.model_copy(update={"batch_size": decoding.batch_size // 2})
        device.free_memory()


def _row(pair: Pair, said: Hypothesis) -> dict[str, Any]:
    return {
        "id": pair.id,
        "source": pair.source,
        "reference": pair.target,
        "hypothesis": said.text,
        "stopped": said.stopped,
        "tokens": said.tokens,
    }


def _codec(run: Run, base: Base) -> Codec:
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
        "device": device.in_use(),
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
