"""A finished run, or a model that nobody has tuned, as a teacher that translates."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mtsweep import languages
from mtsweep import plan as plans
from mtsweep.config import RunConfig
from mtsweep.data.pairs import Corpus
from mtsweep.data.shots import Shots, shots
from mtsweep.errors import UserError
from mtsweep.models import families
from mtsweep.models.locate import locate
from mtsweep.serve import resolve
from mtsweep.synthesis.ledger import Answer
from mtsweep.synthesis.requests import Request

_KNOWN = 200


@dataclass(frozen=True)
class Model:
    """Which model translates, found without loading it."""

    name: str
    """Whatever can change what it says, in short: for hashes and the card."""
    config: RunConfig
    """As it was scored, with the languages that are asked for."""
    trained: Path | None
    """Weights of a run; ``None`` is the untouched model."""
    known: tuple[tuple[str, str], ...]
    """Sources and translations that tell how long translations get."""
    about: Mapping[str, Any]
    """For the card."""
    shots: Shots | None = None
    """What its prompt shows as examples."""


def find(config: RunConfig, asked: tuple[str, str], corpus: Corpus) -> Model:
    """The model that ``synthesis.run`` names, or the command's own, untouched, where it is null.

    Args:
        config: Of the command.
        asked: FLORES-200 codes of the languages to translate from and to.
        corpus: The real data.

    Raises:
        UserError: if the run is not there, has not finished, or translates other languages.
    """
    assert config.synthesis is not None
    if config.synthesis.run is None:
        return _untouched(config, asked, corpus)
    try:
        folder, record = resolve.find(config.synthesis.run, Path(config.output_dir))
        own = resolve.configuration(folder)
        trained = resolve.weights(folder, record)
        shown = resolve.examples(folder, own)
    except UserError as error:
        raise UserError(f"synthesis.run: {error}") from error
    _check_languages(f"synthesis.run: {folder.id}", own, asked)
    scored = own.decoding.num_beams
    own = _with_beams(own, config.synthesis.beams)
    beams = own.decoding.num_beams
    changed = "" if beams == scored else f" with {beams} beams"
    rows = folder.predictions("test")
    about = {"run": record.id, "train_id": record.train_id, **_about(own)}
    known = tuple((row["source"], row["reference"]) for row in rows[:_KNOWN])
    return Model(f"run {record.id}{changed}", own, trained, known, about, shown)


def _untouched(config: RunConfig, asked: tuple[str, str], corpus: Corpus) -> Model:
    assert config.synthesis is not None
    codes = {"source_lang": asked[0], "target_lang": asked[1]}
    own = config.model_copy(update={"data": config.data.model_copy(update=codes)})
    own = _with_beams(own, config.synthesis.beams)
    located = locate(own.model)
    family = families.recognise(located.config, located.tokenizer_config)
    plans.check_fit(own, located, family)
    towards = _towards(asked, corpus)
    shown = shots(towards, own.prompt, plans.room(own, located))
    about = {**_about(own), "revision": located.revision}
    said = {**about, "languages": asked, "dtype": own.model.dtype, "prompt": own.prompt.identity(),
            "one_line": own.prompt.one_line, "quantized": own.lora.load_in_4bit,
            "examples": shown.digest if shown else None}  # fmt: skip
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    known = tuple((pair.source, pair.target) for pair in towards.train[:_KNOWN])
    return Model(f"{own.model.name}, untouched ({digest[:12]})", own, None, known, about, shown)


def _towards(asked: tuple[str, str], corpus: Corpus) -> Corpus:
    """The training pairs in the direction that is asked for."""
    if asked == (corpus.source_lang, corpus.target_lang):
        return corpus
    turned = tuple(
        replace(pair, source=pair.target, target=pair.source, languages=None)
        for pair in corpus.train
    )
    return replace(corpus, source_lang=asked[0], target_lang=asked[1], train=turned)


def _with_beams(config: RunConfig, beams: int | None) -> RunConfig:
    if beams is None:
        return config
    decoding = config.decoding.model_copy(update={"num_beams": beams})
    return config.model_copy(update={"decoding": decoding})


def _about(config: RunConfig) -> dict[str, Any]:
    decoding = config.decoding.model_dump(mode="json", exclude={"name", "batch_size"})
    return {"model": config.model.name, "decoding": decoding}


def _check_languages(who: str, config: RunConfig, asked: tuple[str, str]) -> None:
    own = (config.data.source_lang, config.data.target_lang)
    if own == asked:
        return
    spoken, wanted = (" to ".join(map(languages.name, pair)) for pair in (own, asked))
    turned = own == asked[::-1]
    raise UserError(
        f"{who} translates {spoken}, and the texts go from {wanted}; "
        + ("turn synthesis.direction round, or " if turned else "")
        + "name a run of these languages"
    )


class Tuned:
    """The model in memory, from the first request on; it takes one request at a time."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._stack = ExitStack()
        self._translator: Any = None
        self._mutex = threading.Lock()

    def ask(self, request: Request) -> Answer:
        """Translate the texts of a request.

        The answer is a JSON list with a string a text; what did not end by itself stands there as
        ``{"cut_off": "…"}``, and what does not fit into the model as ``{"too_long": ""}``.
        """
        with self._mutex:
            started = time.monotonic()
            if self._translator is None:
                self._translator = self._opened()
            texts = [str(text) for text in request.body["texts"]]
            try:
                said, tokens = self._said(texts)
            except UserError:  # one of them does not fit into the model: each by itself
                said, tokens = [], 0
                for text in texts:
                    try:
                        one, count = self._said([text])
                    except UserError:
                        one, count = [{"too_long": ""}], 0
                    said, tokens = [*said, *one], tokens + count
            seconds = time.monotonic() - started
        text = json.dumps(said, ensure_ascii=False)
        return Answer(text, self.model.name, answer_tokens=tokens, seconds=seconds)

    def close(self) -> None:
        """Let go of the model."""
        self._stack.close()
        self._translator = None

    def _opened(self) -> Any:  # noqa: ANN401 - serve.translator is imported with its model
        from mtsweep.serve.translator import opened, quiet

        self._stack.enter_context(quiet())
        model = self.model
        return self._stack.enter_context(
            opened(model.config, model.trained, model.known, model.shots)
        )

    def _said(self, texts: list[str]) -> tuple[list[str | dict[str, str]], int]:
        hypotheses = self._translator.translate(texts)
        said = [each.text if each.stopped else {"cut_off": each.text} for each in hypotheses]
        return said, sum(each.tokens for each in hypotheses)
