"""What a model says to its test sets: predictions on disk, scores, behaviour, samples."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtsweep.config import DecodingConfig
from mtsweep.data.pairs import Corpus, Pair
from mtsweep.evaluation.degeneration import Segment, Sign, degeneration, signs, words_of
from mtsweep.evaluation.generate import (
    Hypothesis,
    generate,
    max_new_tokens,
    within_memory,
)
from mtsweep.evaluation.probes import questions
from mtsweep.evaluation.segments import Counted, count
from mtsweep.models.adapters import merged
from mtsweep.models.codec import FEWER
from mtsweep.models.load import Base
from mtsweep.models.tokens import learn_prompts
from mtsweep.plan import Run
from mtsweep.record import EXAMPLES, Degeneration, RunFolder, write
from mtsweep.scores import Score
from mtsweep.watch import Watcher

Row = dict[str, Any]


@dataclass(frozen=True)
class Assessment:
    """What a model came to on the test sets of a run."""

    scores: dict[str, Score]
    parts: dict[str, dict[str, Score]]
    also: dict[str, dict[str, Score]]
    degeneration: Degeneration
    seconds: float
    samples: tuple[Row, ...]
    """Probes, then the first test segments: rows as in the predictions."""
    adjusted: dict[str, int]
    """Decoding fields that had to be changed, and what to."""
    fewer_examples: int = 0
    """Texts with fewer examples before them than ``prompt.shots``, over all test sets."""


def assess(  # noqa: PLR0913
    run: Run,
    base: Base,
    model: Any,  # noqa: ANN401 - a PreTrainedModel or a PeftModel
    folder: RunFolder,
    watch: Watcher,
    label: str,
) -> Assessment:
    """Have a model translate every test set of a run, and score what it says.

    Args:
        run: Its test sets, prompt, decoding and metrics are used.
        base: Tokenizer and language handling.
        model: Untouched or tuned, on its device.
        folder: Gets the predictions.
        watch: Is told how far it is.
        label: What the model is called to the watcher.
    """
    started = time.monotonic()
    probes = _probes(run)
    sets = {"test": run.corpus, **run.also, **({"probes": probes} if probes else {})}
    watch.begin(label, "translate", sum(len(corpus.test) for corpus in sets.values()))
    with merged(model):
        translator = _Translator(run, base, model, watch)
        said = {name: translator.translate(corpus) for name, corpus in sets.items()}
    if translator.fewer:
        watch.say(f"{label}: {translator.fewer} texts {FEWER}")
    if run.shots:
        write(folder.path / EXAMPLES, run.shots.as_json())
    told = {name: _told(run, sets[name], said[name]) for name in sets}
    rows = {
        name: [_row(*each) for each in zip(corpus.test, said[name], told[name], strict=True)]
        for name, corpus in sets.items()
    }
    for name, each in rows.items():
        folder.write_predictions(name, each)
    counted = {name: _counted(run, sets[name], rows[name]) for name in ("test", *run.also)}
    for name, each in counted.items():
        each.keep(folder.path, name)
    return Assessment(
        scores=counted["test"].scores(),
        parts={part: counted["test"].scores(places) for part, places in _parts(run.corpus).items()},
        also={name: counted[name].scores() for name in run.also},
        degeneration=degeneration(_segments(run.corpus, said["test"]), told["test"]),
        seconds=time.monotonic() - started,
        samples=tuple(rows.get("probes", []) + rows["test"][: run.config.evaluation.samples]),
        adjusted=translator.adjusted,
        fewer_examples=translator.fewer,
    )


class _Translator:
    """Translates test sets, in smaller batches from the first time that memory asks for it."""

    def __init__(self, run: Run, base: Base, model: Any, watch: Watcher) -> None:  # noqa: ANN401
        self.run, self.base, self.model, self.watch = run, base, model, watch
        self.decoding: DecodingConfig = run.config.decoding
        self.adjusted: dict[str, int] = {}
        self.done = 0
        self.fewer = 0
        """Texts with fewer examples before them than were asked for."""

    def translate(self, corpus: Corpus) -> list[Hypothesis]:
        """Hypotheses in the order of the test set, language pair by language pair."""
        said: dict[int, Hypothesis] = {}
        for languages, places in _by_languages(corpus).items():
            sources = [corpus.test[place].source for place in places]
            probe = [p for p in corpus.longest_probe if corpus.languages(p) == languages]
            texts = self._texts(languages, sources, probe or corpus.longest_probe)
            said.update(zip(places, texts, strict=True))
            self.done += len(places)
        return [said[place] for place in range(len(corpus.test))]

    def _texts(
        self, languages: tuple[str, str], sources: Sequence[str], probe: Sequence[Pair]
    ) -> list[Hypothesis]:
        codec = self.base.codec(languages, self.run.config.prompt, self.run.shots)
        learn_prompts(sources, codec)
        self.fewer += codec.fewer(sources)
        limit = max_new_tokens(self.decoding, probe, codec)

        def attempt(decoding: DecodingConfig) -> list[Hypothesis]:
            told = lambda done: self.watch.advance(self.done + done, {})  # noqa: E731
            return generate(self.model, codec, sources, decoding, limit, told)

        before = self.decoding.batch_size
        said, self.decoding = within_memory(self.decoding, attempt)
        if self.decoding.batch_size != before:
            self.adjusted = {"decoding.batch_size": self.decoding.batch_size}
        return said


def _by_languages(corpus: Corpus) -> dict[tuple[str, str], list[int]]:
    found: dict[tuple[str, str], list[int]] = {}
    for place, pair in enumerate(corpus.test):
        found.setdefault(corpus.languages(pair), []).append(place)
    return found


def _parts(corpus: Corpus) -> dict[str, list[int]]:
    """Language pairs and origins of a test set that has several, each to its places."""
    found: dict[str, list[int]] = {}
    for names in (
        ["-".join(corpus.languages(pair)) for pair in corpus.test],
        [pair.origin for pair in corpus.test],
    ):
        if len(set(names)) > 1:
            for place, name in enumerate(names):
                found.setdefault(name, []).append(place)
    return found


def _probes(run: Run) -> Corpus | None:
    """The texts to be read, as a test set without scores."""
    data, corpus = run.config.data, run.corpus
    asked = questions(run.config.evaluation.probes, data.source_lang, data.target_lang)
    pairs = tuple(
        Pair(f"probe:{number}", text, translation, "probes", f"probe:{number}")
        for number, (text, translation) in enumerate(asked, start=1)
    )
    return (
        Corpus(data.source_lang, data.target_lang, (), (), pairs, 0, corpus.longest_probe, {})
        if pairs
        else None
    )


def _counted(run: Run, corpus: Corpus, rows: Sequence[Row]) -> Counted:
    """What the metrics of a run count of a test set."""
    asked = run.config.evaluation
    return count(rows, corpus.target_lang, asked.metrics, asked.bleu_tokenizer)


def _segments(corpus: Corpus, said: Sequence[Hypothesis]) -> list[Segment]:
    return [
        Segment(pair.source, pair.target, hypothesis, corpus.languages(pair)[1])
        for pair, hypothesis in zip(corpus.test, said, strict=True)
    ]


def _told(run: Run, corpus: Corpus, said: Sequence[Hypothesis]) -> list[list[Sign]]:
    """The signs of every output; only a model that was prompted can say the prompt's words."""
    words: Mapping[tuple[str, str], Sequence[str]] = {
        languages: words_of(run.config.prompt, *languages) if run.family == "causal" else ()
        for languages in _by_languages(corpus)
    }
    return [
        signs(segment, words[corpus.languages(pair)])
        for pair, segment in zip(corpus.test, _segments(corpus, said), strict=True)
    ]


def _row(pair: Pair, said: Hypothesis, told: Sequence[Sign]) -> Row:
    return {
        "id": pair.id,
        "source": pair.source,
        "reference": pair.target,
        "hypothesis": said.text,
        "stopped": said.stopped,
        "tokens": said.tokens,
        "origin": pair.origin,
        **({"languages": list(pair.languages)} if pair.languages else {}),
        **({"signs": list(told)} if told else {}),
    }
