"""CTranslate2 in the place of transformers: the same texts, prompts and limits, another engine."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtsweep import device, interruption
from mtsweep.config import DecodingConfig
from mtsweep.errors import MissingExtraError, RunFailedError
from mtsweep.evaluation.generate import Hypothesis, generation_config, hypothesis
from mtsweep.models.chat import ChatCodec
from mtsweep.models.codec import Codec
from mtsweep.models.families import Family

if TYPE_CHECKING:
    from transformers import GenerationConfig


@dataclass(frozen=True)
class Limits:
    """What of a model's configuration the translator asks for."""

    max_position_embeddings: int | None
    """Tokens that the model's context holds; ``None`` knows no limit."""


def needed(what: str) -> None:
    """Say so where the library is not installed.

    Raises:
        MissingExtraError: naming the extra.
    """
    if importlib.util.find_spec("ctranslate2") is None:
        raise MissingExtraError(what, "ctranslate2", "ctranslate2")


class Engine:
    """A converted model in memory.

    Args:
        folder: With ``model.bin`` and the search settings of transformers beside it.
        family: How the model is told the languages.
        context: Tokens that it takes at most.

    Raises:
        RunFailedError: if the folder holds no model that CTranslate2 loads.
    """

    def __init__(self, folder: Path, family: Family, context: int | None = None) -> None:
        import ctranslate2
        import torch
        from transformers import GenerationConfig

        place = device.device()
        self.config = Limits(context)
        self.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True)
        kind = ctranslate2.Generator if family == "causal" else ctranslate2.Translator
        try:
            self.model: Any = kind(
                str(folder),
                device=place.type,
                device_index=place.index or 0,
                intra_threads=torch.get_num_threads(),
            )
        except (RuntimeError, ValueError) as error:
            raise RunFailedError(f"{folder}: CTranslate2 does not load it: {error}") from error


def speak(  # noqa: PLR0913
    engine: Any,  # noqa: ANN401 - an Engine, where generate takes a model of transformers
    codec: Codec | ChatCodec,
    sources: Sequence[Any],
    decoding: DecodingConfig,
    limit: int | Sequence[int],
    advance: Callable[[int], None] = lambda _: None,
) -> list[Hypothesis]:
    """Translate, as :func:`mtsweep.evaluation.generate.generate` does with transformers.

    Beam search is CTranslate2's own: the same scores, ended by a slightly other rule.
    """
    limits = [limit] * len(sources) if isinstance(limit, int) else list(limit)
    config = generation_config(engine, codec, decoding, max(limits, default=1))
    given = [codec.source_ids(source) for source in sources]
    order = sorted(range(len(given)), key=lambda place: len(given[place]), reverse=True)
    done: dict[int, Hypothesis] = {}
    for start in range(0, len(order), decoding.batch_size):
        interruption.check()
        places = order[start : start + decoding.batch_size]
        batch = [_tokens(codec, given[place]) for place in places]
        most = [limits[place] for place in places]
        for place, ids in zip(places, _batch(engine, codec, config, batch, max(most)), strict=True):
            done[place] = hypothesis(ids[: limits[place]], codec, config)
        advance(len(done))
    return [done[place] for place in range(len(sources))]


def _batch(
    engine: Engine,
    codec: Codec | ChatCodec,
    config: GenerationConfig,
    batch: Sequence[Sequence[str]],
    limit: int,
) -> Iterator[list[int]]:
    """Generated ids of each text, end token included."""
    search: dict[str, Any] = {
        "beam_size": config.num_beams,
        "length_penalty": 1.0 if config.length_penalty is None else config.length_penalty,
        "repetition_penalty": config.repetition_penalty,
        "no_repeat_ngram_size": config.no_repeat_ngram_size,
        "end_token": list(config.eos_token_id),  # type: ignore[arg-type] - a list, as we set it
        "return_end_token": True,
        "suppress_sequences": _suppressed(codec, config),
    }
    if codec.family == "causal":
        found = engine.model.generate_batch(
            batch, max_length=limit, include_prompt_in_result=False, **search
        )
        yield from (list(each.sequences_ids[0]) for each in found)
        return
    prefix = None
    if codec.forced_bos is not None:
        prefix = [_tokens(codec, [codec.forced_bos])] * len(batch)
    found = engine.model.translate_batch(
        batch,
        target_prefix=prefix,
        max_decoding_length=limit,
        max_input_length=0,
        **search,
    )
    for each in found:
        ids: Any = codec.tokenizer.convert_tokens_to_ids(each.hypotheses[0])  # typed for one too
        yield list(ids)


def _tokens(codec: Codec | ChatCodec, ids: Sequence[int]) -> list[str]:
    return list(codec.tokenizer.convert_ids_to_tokens(list(ids)))


def _suppressed(codec: Codec | ChatCodec, config: GenerationConfig) -> list[list[str]] | None:
    """Sequences that must not be generated; padding is not even in the vocabulary."""
    padding = codec.tokenizer.pad_token_id
    listed = [ids for ids in config.bad_words_ids or [] if padding not in ids]
    return [_tokens(codec, ids) for ids in listed] or None
