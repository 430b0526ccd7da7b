"""A run's model in memory, translating as it did when it was scored."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from mtsweep.config import DecodingConfig, RunConfig
from mtsweep.data.shots import Shots
from mtsweep.errors import UserError
from mtsweep.evaluation.generate import Hypothesis, generate, within_memory
from mtsweep.models import families
from mtsweep.models.adapters import adapted, interpolated, merged
from mtsweep.models.codec import Codec
from mtsweep.models.load import Base, load
from mtsweep.models.locate import locate
from mtsweep.serve.sentences import join, split
from mtsweep.serve.streaming import Listener, Sampling, stream

_ROOM = 2.0
_SPARE = 16
_KNOWN = 200
TOKENS = 16_384
"""Of a batch at most, prompts and translations together; a longer text has one of its own."""


class Translator:
    """Translates texts of one language pair.

    Args:
        base: Tokenizer and language handling.
        model: Untouched or tuned, on its device.
        config: Of the run: its languages, prompt and decoding.
        known: Sources and references of its test set, which tell how much longer than a source a
            translation gets.
        shots: What its prompt shows as examples.
        speak: Generates with the model: transformers, or another engine.
    """

    def __init__(
        self,
        base: Base,
        model: Any,  # noqa: ANN401 - a PreTrainedModel, a PeftModel or an engine's own
        config: RunConfig,
        known: Sequence[tuple[str, str]] = (),
        shots: Shots | None = None,
        speak: Callable[..., list[Hypothesis]] = generate,
    ) -> None:
        self._base, self._model, self._config = base, model, config
        self._shots, self._speak = shots, speak
        self.decoding: DecodingConfig = config.decoding
        self.tokens: int | None = TOKENS
        """Of a batch at most, padding counted; ``None`` lets ``decoding.batch_size`` decide."""
        self.sentences = False
        """Whether every sentence is translated by itself; else only where a text does not fit."""
        self.split = 0
        """Texts so far that were translated in parts."""
        self.longer = longer(self._codec(), known)
        """Tokens of translations over tokens of sources, about."""

    def translate(
        self, texts: Sequence[str], advance: Callable[[int], None] = lambda _: None
    ) -> list[Hypothesis]:
        """Hypotheses in the order of the texts, in smaller batches where memory asks for it.

        A text that fits into the model's context with its translation is translated whole, as it
        is when it is scored. Any other is split into sentences, whose translations are joined.

        Args:
            texts: In any order and of any length.
            advance: Called with the number of texts done, about.

        Raises:
            UserError: if the prompt alone fills the context.
        """
        codec = self._codec()
        parts = [self._parts(codec, text) for text in texts]
        flat = [part for each in parts for part in each]
        said, self.decoding = within_memory(
            self.decoding,
            lambda decoding: self._translated(
                codec, flat, decoding, lambda done: advance(done * len(texts) // len(flat))
            ),
        )
        self.split += sum(len(each) > 1 for each in parts)
        rest = iter(said)
        return [self._joined([next(rest) for _ in each]) for each in parts]

    def stream(self, text: str, sampling: Sampling, listener: Listener) -> Hypothesis:
        """One text, told as it grows; at temperature 0 it becomes what :meth:`translate` gives.

        Raises:
            UserError: if the prompt alone fills the context.
        """
        codec, done = self._codec(), []
        for part in self._parts(codec, text):
            limit = min(self._limit(codec, part), sampling.max_new_tokens or sys.maxsize)
            said = stream(
                self._model,
                codec,
                codec.source_ids(part),
                self.decoding,
                sampling,
                limit,
                Listener(lambda new: listener.tell(self._joined([*done, new])), listener.halted),
            )
            done.append(said)
            if listener.halted():
                break
        return self._joined(done)

    def _codec(self) -> Codec:
        # Of its own: the base's would keep every text of a large file.
        data = self._config.data
        languages = (data.source_lang, data.target_lang)
        prompt = self._config.prompt
        return Codec(self._base.tokenizer, self._base.family, languages, prompt, self._shots)

    def _parts(self, codec: Codec, text: str) -> list[str]:
        if not self.sentences and self._fits(codec, text):
            return [text]
        return split(text, codec.languages[0], lambda part: self._fits(codec, part)) or [text]

    def _joined(self, parts: Sequence[Hypothesis]) -> Hypothesis:
        if len(parts) == 1:
            return parts[0]
        return Hypothesis(
            join([part.text for part in parts], self._config.data.target_lang),
            all(part.stopped for part in parts),
            sum(part.tokens for part in parts),
        )

    def _translated(
        self,
        codec: Codec,
        texts: Sequence[str],
        decoding: DecodingConfig,
        advance: Callable[[int], None],
    ) -> list[Hypothesis]:
        said: dict[int, Hypothesis] = {}
        for places in self._batches(codec, texts, decoding):
            batch, before = [texts[place] for place in places], len(said)
            limits = [self._limit(codec, text) for text in batch]
            out = self._speak(
                self._model, codec, batch, decoding, limits, lambda n, k=before: advance(k + n)
            )
            said.update(zip(places, out, strict=True))
        return [said[place] for place in range(len(texts))]

    def _batches(
        self, codec: Codec, texts: Sequence[str], decoding: DecodingConfig
    ) -> Iterator[list[int]]:
        """Places of texts of like length, the longest first, as many as the tokens allow.

        Where they allow ``decoding.batch_size`` of them, these are the batches of the scoring.
        """
        given = [len(codec.source_ids(text)) for text in texts]
        order = sorted(range(len(texts)), key=given.__getitem__, reverse=True)
        while order:
            longest = texts[order[0]]
            size = decoding.batch_size
            if self.tokens is not None:
                each = given[order[0]] + self._limit(codec, longest)
                size = max(1, min(size, self.tokens // each))
            yield order[:size]
            order = order[size:]

    def _limit(self, codec: Codec, text: str) -> int:
        """Generated tokens at most: as configured, or by the length of the text; within reach."""
        limit = self.decoding.max_new_tokens
        if limit is None:
            limit = int(_ROOM * self.longer * len(codec.target_ids(text))) + _SPARE
        context = self._context
        if context is None:
            return limit
        given = len(codec.source_ids(text))
        room = context - given if codec.family == "causal" else context
        if room < 1 or given > context:
            raise UserError(
                f"the prompt leaves no room for a translation ({given} tokens with a text of "
                f"{len(text)} characters; the model takes {context}): {text[:60]!r}"
            )
        return min(limit, room)

    def _fits(self, codec: Codec, text: str) -> bool:
        """Whether the context holds a text and a translation of likely length."""
        context = self._context
        if context is None:
            return True
        likely = int(self.longer * len(codec.target_ids(text))) + _SPARE
        likely = min(likely, self.decoding.max_new_tokens or likely)
        given = len(codec.source_ids(text))
        return (given + likely if codec.family == "causal" else max(given, likely)) <= context

    @property
    def _context(self) -> int | None:
        context = getattr(self._base.model.config, "max_position_embeddings", None)
        return context if isinstance(context, int) else None


def longer(codec: Codec, known: Sequence[tuple[str, str]]) -> float:
    """Tokens of translations over tokens of sources, 1 at least.

    Args:
        codec: Of model and language pair.
        known: Sources and references; the first 200 are looked at.
    """
    known = known[:_KNOWN]
    sources = sum(len(codec.target_ids(source)) for source, _ in known)
    references = sum(len(codec.target_ids(reference)) for _, reference in known)
    return max(1.0, references / sources) if sources else 1.0


@contextmanager
def quiet() -> Iterator[None]:
    """Keep libraries' remarks and progress bars off the terminal."""
    import warnings

    import transformers

    transformers.utils.logging.disable_progress_bar()
    loud = [logging.getLogger(name) for name in ("transformers", "peft", "bitsandbytes")]
    levels = [logger.level for logger in loud]
    try:
        for logger in loud:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of libraries about one another
            yield
    finally:
        for logger, level in zip(loud, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def opened(
    config: RunConfig,
    trained: Path | None,
    known: Sequence[tuple[str, str]] = (),
    shots: Shots | None = None,
) -> Iterator[Translator]:
    """The model of a run, loaded as the run loaded it.

    Args:
        config: Of the run; decoding may be another.
        trained: What was trained; ``None`` is the untouched model.
        known: Sources and references that tell how long translations get.
        shots: What its prompt shows as examples.

    Raises:
        UserError: if the run is of conversations.
    """
    if config.data.is_chat:
        raise UserError("a run of conversations answers, and does not translate; name another run")
    located = locate(config.model)
    family = families.recognise(located.config, located.tokenizer_config)
    anew = partial(load, config.model, config.lora, located, family, lambda _: None)
    base = anew()
    if trained is None:
        yield Translator(base, base.model, config, known, shots)
        return
    with adapted(base, config.lora, config.seed, trained) as model:
        model.eval()
        with interpolated(model, config.evaluation.interpolate, anew), merged(model):
            yield Translator(base, model, config, known, shots)
