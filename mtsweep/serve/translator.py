"""A run's model in memory, translating as it did when it was scored."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
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

_ROOM = 2.0
_SPARE = 16
_KNOWN = 200


class Translator:
    """Translates texts of one language pair.

    Args:
        base: Tokenizer and language handling.
        model: Untouched or tuned, on its device.
        config: Of the run: its languages, prompt and decoding.
        known: Sources and references of its test set, which tell how much longer than a source a
            translation gets.
        shots: What its prompt shows as examples.
    """

    def __init__(
        self,
        base: Base,
        model: Any,  # noqa: ANN401 - a PreTrainedModel or a PeftModel
        config: RunConfig,
        known: Sequence[tuple[str, str]] = (),
        shots: Shots | None = None,
    ) -> None:
        self._base, self._model, self._config = base, model, config
        self._shots = shots
        self.decoding: DecodingConfig = config.decoding
        self._longer = _longer(self._codec(), known[:_KNOWN])

    def translate(self, texts: Sequence[str]) -> list[Hypothesis]:
        """Hypotheses in the order of the texts, in smaller batches where memory asks for it."""
        said, self.decoding = within_memory(
            self.decoding, lambda decoding: self._translated(texts, decoding)
        )
        return said

    def _codec(self) -> Codec:
        # Of its own: the base's would keep every text of a large file.
        data = self._config.data
        languages = (data.source_lang, data.target_lang)
        prompt = self._config.prompt
        return Codec(self._base.tokenizer, self._base.family, languages, prompt, self._shots)

    def _translated(self, texts: Sequence[str], decoding: DecodingConfig) -> list[Hypothesis]:
        """The batches that ``generate`` would make of all texts, each with a limit of its own."""
        codec, size = self._codec(), decoding.batch_size
        order = sorted(
            range(len(texts)), key=lambda place: len(codec.source_ids(texts[place])), reverse=True
        )
        said: dict[int, Hypothesis] = {}
        for start in range(0, len(order), size):
            places = order[start : start + size]
            batch = [texts[place] for place in places]
            limit = self._limit(codec, batch)
            said.update(
                zip(places, generate(self._model, codec, batch, decoding, limit), strict=True)
            )
        return [said[place] for place in range(len(texts))]

    def _limit(self, codec: Codec, batch: Sequence[str]) -> int:
        """Generated tokens at most: as configured, or by the longest text; within the context."""
        limit = self.decoding.max_new_tokens
        if limit is None:
            longest = max(len(codec.target_ids(text)) for text in batch)
            limit = int(_ROOM * self._longer * longest) + _SPARE
        context = getattr(self._base.model.config, "max_position_embeddings", None)
        if not isinstance(context, int):
            return limit
        text = max(batch, key=lambda each: len(codec.source_ids(each)))
        given = len(codec.source_ids(text))
        room = context - given if codec.family == "causal" else context
        if room < 1 or given > context:
            raise UserError(
                f"a line is too long for the model ({given} tokens with its prompt, {context} at "
                f"most): {text[:60]!r} …; split it into sentences"
            )
        return min(limit, room)


def _longer(codec: Codec, known: Sequence[tuple[str, str]]) -> float:
    """Tokens of translations over tokens of sources, 1 at least."""
    sources = sum(len(codec.target_ids(source)) for source, _ in known)
    references = sum(len(codec.target_ids(reference)) for _, reference in known)
    return max(1.0, references / sources) if sources else 1.0


@contextmanager
def quiet() -> Iterator[None]:
    """Keep libraries' remarks and progress bars off the terminal."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    loud = [logging.getLogger(name) for name in ("transformers", "peft", "bitsandbytes")]
    levels = [logger.level for logger in loud]
    try:
        for logger in loud:
            logger.setLevel(logging.ERROR)
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
