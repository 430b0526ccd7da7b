"""What a model makes of its test conversations: losses, answers to first turns, behaviour."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mtsweep.assess import Assessment, Row
from mtsweep.data.pairs import Conversation, Corpus, Message, Pair
from mtsweep.evaluation import losses
from mtsweep.evaluation.degeneration import Segment, answered, signs_of_answer
from mtsweep.evaluation.generate import Hypothesis, generate, max_new_tokens, within_memory
from mtsweep.evaluation.losses import Reading
from mtsweep.evaluation.probes import questions
from mtsweep.models.adapters import merged
from mtsweep.models.chat import ANSWER_TOKENS, ChatCodec
from mtsweep.models.load import Base
from mtsweep.plan import Run
from mtsweep.record import RunFolder
from mtsweep.scores import Score
from mtsweep.watch import Watcher


@dataclass(frozen=True)
class _Asked:
    """The beginning of a conversation, up to its first answer."""

    id: str
    history: tuple[Message, ...]
    reference: str
    origin: str

    @property
    def question(self) -> str:
        return self.history[-1].content


def assess(  # noqa: PLR0913
    run: Run,
    base: Base,
    model: Any,  # noqa: ANN401 - a PreTrainedModel or a PeftModel
    folder: RunFolder,
    watch: Watcher,
    label: str,
) -> Assessment:
    """Have a model read every test conversation of a run, and answer first turns of some.

    Args:
        run: Its test sets and decoding are used.
        base: Its tokenizer is used.
        model: Untouched or tuned, on its device.
        folder: Gets losses and predictions.
        watch: Is told how far it is.
        label: What the model is called to the watcher.
    """
    started = time.monotonic()
    codec = base.chat_codec()
    sets = {"test": run.corpus, **run.also}
    with merged(model):
        read = _readings(model, codec, sets, watch, label)
        probes, asked = _probes(run), _first_turns(run, codec)
        watch.begin(label, "answer", len(probes) + len(asked))
        said, adjusted = _answers(run, model, codec, [*probes, *asked], watch)
    for name, corpus in sets.items():
        losses.keep(folder.path, name, corpus.test, read[name])
    told = [_row(*each) for each in zip([*probes, *asked], said, strict=True)]
    rows = {"probes": told[: len(probes)], "test": told[len(probes) :]}
    for name, each in rows.items():
        if each:
            folder.write_predictions(name, each)
    segments = [_segment(*each) for each in zip(asked, said[len(probes) :], strict=True)]
    return Assessment(
        scores=losses.scores(read["test"], codec),
        parts=_parts(run.corpus, read["test"], codec),
        also={name: losses.scores(read[name], codec) for name in run.also},
        degeneration=answered(segments),
        seconds=time.monotonic() - started,
        samples=tuple(rows["probes"] + rows["test"][: run.config.evaluation.samples]),
        adjusted=adjusted,
    )


def _readings(
    model: Any,  # noqa: ANN401
    codec: ChatCodec,
    sets: dict[str, Corpus],
    watch: Watcher,
    label: str,
) -> dict[str, list[Reading]]:
    watch.begin(label, "read", sum(len(corpus.test) for corpus in sets.values()))
    read: dict[str, list[Reading]] = {}
    for name, corpus in sets.items():
        before = sum(map(len, read.values()))

        def advance(done: int, before: int = before) -> None:
            watch.advance(before + done, {})

        read[name] = losses.read(model, codec, corpus.test, advance)
    return read


def _parts(
    corpus: Corpus, readings: Sequence[Reading], codec: ChatCodec
) -> dict[str, dict[str, Score]]:
    """Scores of each origin, where a test set has several."""
    origins: dict[str, list[Reading]] = {}
    for pair, reading in zip(corpus.test, readings, strict=True):
        origins.setdefault(pair.origin, []).append(reading)
    return {
        origin: losses.scores(each, codec)
        for origin, each in origins.items()
        if len(origins) > 1 and any(reading.tokens for reading in each)
    }


def _first_turns(run: Run, codec: ChatCodec) -> list[_Asked]:
    """The first turns of test conversations, as many as are answered; those that fit."""
    context = run.located.config.get("max_position_embeddings")
    found = []
    for each in run.corpus.test:
        if len(found) == run.config.evaluation.answers:
            break
        asked = _asked(each)
        if not isinstance(context, int) or len(codec.source_ids(asked.history)) < context:
            found.append(asked)
    return found


def _asked(pair: Pair) -> _Asked:
    turns = pair.messages if isinstance(pair, Conversation) else ()
    first = next(place for place, turn in enumerate(turns) if turn.role == "assistant")
    return _Asked(pair.id, turns[:first], turns[first].content, pair.origin)


def _probes(run: Run) -> list[_Asked]:
    """The questions to be read, without answers to hold them against."""
    language = run.config.data.source_lang
    own = run.config.evaluation.probes
    return [
        _Asked(f"probe:{number}", (Message("user", text),), "", "probes")
        for number, (text, _) in enumerate(questions(own, language, language), start=1)
    ]


def _answers(
    run: Run,
    model: Any,  # noqa: ANN401
    codec: ChatCodec,
    asked: Sequence[_Asked],
    watch: Watcher,
) -> tuple[list[Hypothesis], dict[str, int]]:
    decoding = run.config.decoding
    limit = max_new_tokens(decoding, run.corpus.longest_probe, codec)
    if decoding.max_new_tokens is None:
        limit = min(limit, ANSWER_TOKENS)
    histories = [each.history for each in asked]
    context = run.located.config.get("max_position_embeddings")
    if isinstance(context, int):
        longest = max(len(codec.source_ids(history)) for history in histories)
        limit = max(1, min(limit, context - longest))
    said, kept = within_memory(
        decoding,
        lambda each: generate(
            model, codec, histories, each, limit, lambda done: watch.advance(done, {})
        ),
    )
    smaller = kept.batch_size != decoding.batch_size
    return said, {"decoding.batch_size": kept.batch_size} if smaller else {}


def _segment(asked: _Asked, said: Hypothesis) -> Segment:
    return Segment(asked.question, asked.reference, said, "")


def _row(asked: _Asked, said: Hypothesis) -> Row:
    told = signs_of_answer(_segment(asked, said))
    context = asked.history[0].content if asked.history[0].role == "system" else ""
    return {
        "id": asked.id,
        "source": asked.question,
        "reference": asked.reference,
        "hypothesis": said.text,
        "stopped": said.stopped,
        "tokens": said.tokens,
        "origin": asked.origin,
        **({"context": context} if context else {}),
        **({"signs": list(told)} if told else {}),
    }
