"""Translate texts in batches of like length, and give them back in the order they came."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mtsweep import device, interruption
from mtsweep.config import DecodingConfig
from mtsweep.data.pairs import Pair
from mtsweep.models.chat import ChatCodec
from mtsweep.models.codec import Codec

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig

_ROOM = 1.25
_SPARE = 4
_FEWEST = 4


@dataclass(frozen=True)
class Hypothesis:
    """One translation."""

    text: str
    stopped: bool
    """Whether it ended with the end token (with ``prompt.one_line``: its line), rather than at the
    limit."""
    tokens: int
    """Generated tokens, end token included."""


def max_new_tokens(
    decoding: DecodingConfig, probe: Sequence[Pair], codec: Codec | ChatCodec
) -> int:
    """The limit of generated tokens: as configured, or 1.25 times the longest target known + 4."""
    if decoding.max_new_tokens is not None:
        return decoding.max_new_tokens
    longest = max(len(codec.target_ids(pair.target)) for pair in probe)
    return int(_ROOM * longest) + _SPARE


def generate(
    model: Any,  # noqa: ANN401 - a PreTrainedModel or a PeftModel
    codec: Codec | ChatCodec,
    sources: Sequence[Any],
    decoding: DecodingConfig,
    limit: int | Sequence[int],
    advance: Callable[[int], None] = lambda _: None,
) -> list[Hypothesis]:
    """Translate ``sources``.

    Args:
        model: In evaluation mode, on its device.
        codec: Of the model and language pair, or of conversations.
        sources: Texts, in any order; histories of a conversation.
        decoding: Beams and batch size.
        limit: Generated tokens at most (:func:`max_new_tokens`), of all or of each text.
        advance: Called with the number of texts done.

    Returns:
        One hypothesis per source, in the order of ``sources``.
    """
    limits = [limit] * len(sources) if isinstance(limit, int) else list(limit)
    config = generation_config(model, codec, decoding, max(limits, default=1))
    causal = codec.family == "causal"
    search = _greedy if causal and decoding.num_beams == 1 else partial(_search, causal=causal)
    order = sorted(
        range(len(sources)), key=lambda index: len(codec.source_ids(sources[index])), reverse=True
    )
    done: dict[int, Hypothesis] = {}
    for start in range(0, len(order), decoding.batch_size):
        indices = order[start : start + decoding.batch_size]
        batch = codec.tokenizer.pad(
            {"input_ids": [codec.source_ids(sources[index]) for index in indices]},
            padding_side="left" if causal else "right",
            return_tensors="pt",
        ).to(model.device)
        with _no_forced_end(model):
            for index, ids in search(model, config, batch, [limits[index] for index in indices]):
                done[indices[index]] = hypothesis(ids, codec, config)
                advance(len(done))
    return [done[index] for index in range(len(sources))]


@contextmanager
def _no_forced_end(model: Any) -> Iterator[None]:  # noqa: ANN401
    """Within it, the model's own settings name no forced end and no length.

    What is ``None`` in the settings that ``generate`` is given, it takes from the model's own: with
    the forced end of Marian, M2M100 and mBART every output at the limit would look like a stop.
    """
    own = model.generation_config
    kept = {name: getattr(own, name) for name in ("forced_eos_token_id", "max_length")}
    try:
        for name in kept:
            setattr(own, name, None)
        yield
    finally:
        for name, value in kept.items():
            setattr(own, name, value)


def within_memory(
    decoding: DecodingConfig, attempt: Callable[[DecodingConfig], list[Hypothesis]]
) -> tuple[list[Hypothesis], DecodingConfig]:
    """What an attempt comes to, with half as many texts at once each time that memory runs out.

    Args:
        decoding: Of the first attempt.
        attempt: Translates under a decoding.

    Returns:
        Hypotheses, and the decoding that memory sufficed for.
    """
    while True:
        try:
            return attempt(decoding), decoding
        except Exception as error:
            if not device.is_out_of_memory(error) or decoding.batch_size == 1:
                raise
        # Out of the handler, whose traceback would keep tensors alive.
        decoding = decoding.model_copy(update={"batch_size": decoding.batch_size // 2})
        device.free_memory()


def _search(
    model: Any,  # noqa: ANN401
    config: GenerationConfig,
    batch: Any,  # noqa: ANN401 - a BatchEncoding
    limits: Sequence[int],
    *,
    causal: bool,
) -> Iterator[tuple[int, list[int]]]:
    """Place in the batch, and generated ids, of every text; all of them end together."""
    import torch

    config = copy.deepcopy(config)
    config.max_new_tokens = max(limits)
    with torch.no_grad():
        # batch x (prompt + new tokens) for a decoder-only model, batch x new tokens otherwise
        output = model.generate(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            generation_config=config,
            stopping_criteria=[_interruptible],
        )
    skip = batch["input_ids"].shape[1] if causal else 1
    for place, ids in enumerate(output[:, skip:].tolist()):
        yield place, ids[: limits[place]]


def _interruptible(input_ids: torch.Tensor, scores: object) -> torch.Tensor:  # noqa: ARG001
    """A stopping criterion that never stops, but lets an interruption through at each token."""
    interruption.check()
    return (input_ids[:, 0] != input_ids[:, 0]).view(-1)


def _greedy(
    model: Any,  # noqa: ANN401
    config: GenerationConfig,
    batch: Any,  # noqa: ANN401 - a BatchEncoding
    limits: Sequence[int],
) -> Iterator[tuple[int, list[int]]]:
    """The same for greedy search: whenever half of the texts are done, the rest go on alone.

    The keys and values of what was read so far are kept, so nothing is computed twice.
    """
    import torch

    ids, mask = batch["input_ids"], batch["attention_mask"]
    prompt, room = ids.shape[1], torch.tensor(limits, device=ids.device)
    ends = torch.tensor(config.eos_token_id, device=ids.device)
    config = copy.deepcopy(config)
    config.return_dict_in_generate = True
    places, cache = torch.arange(len(ids), device=ids.device), None
    while len(places):
        config.max_new_tokens = int(room.max()) - (ids.shape[1] - prompt)
        with torch.no_grad():
            output = model.generate(
                input_ids=ids,
                attention_mask=mask,
                cache=cache,
                generation_config=config,
                stopping_criteria=[_half_done(prompt, ids.shape[1], ends, room)],
            )
        ids, cache = output.sequences, output.past_key_values
        done = _done(ids, prompt, ends, room)
        for place, row in zip(places[done].tolist(), ids[done, prompt:].tolist(), strict=True):
            yield place, row[: limits[place]]
        left = (~done).nonzero().view(-1)
        mask = torch.nn.functional.pad(mask, (0, ids.shape[1] - mask.shape[1]), value=1)[left]
        ids, places, room = ids[left], places[left], room[left]
        if len(places):
            cache.batch_select_indices(left)


def _done(ids: torch.Tensor, prompt: int, ends: torch.Tensor, room: torch.Tensor) -> torch.Tensor:
    """Which rows have an end token behind the prompt, or no room left."""
    import torch

    return torch.isin(ids[:, prompt:], ends).any(1) | (ids.shape[1] - prompt >= room)


def _half_done(
    prompt: int, start: int, ends: torch.Tensor, room: torch.Tensor
) -> Callable[[torch.Tensor, object], torch.Tensor]:
    """A stopping criterion: half of the rows that go on at ``start`` have ended or are full."""
    import torch

    def stop(input_ids: torch.Tensor, scores: object) -> torch.Tensor:  # noqa: ARG001
        interruption.check()
        done = torch.isin(input_ids[:, start:], ends).any(1)
        done |= input_ids.shape[1] - prompt >= room
        half = len(done) > _FEWEST and int(done.sum()) * 2 >= len(done)
        return torch.ones_like(done) if half else torch.zeros_like(done)

    return stop


def generation_config(
    model: Any,  # noqa: ANN401
    codec: Codec | ChatCodec,
    decoding: DecodingConfig,
    limit: int,
) -> GenerationConfig:
    """The model's own configuration (bad words, start token, …) with our search in it."""
    config = copy.deepcopy(model.generation_config)
    config.update(
        do_sample=False,
        temperature=None,
        top_p=None,
        top_k=None,
        num_beams=decoding.num_beams,
        max_new_tokens=limit,
        max_length=None,
        repetition_penalty=decoding.repetition_penalty,
        no_repeat_ngram_size=decoding.no_repeat_ngram_size,
        eos_token_id=_ends(config, codec),
        pad_token_id=codec.tokenizer.pad_token_id,
        forced_eos_token_id=None,  # else the limit would look like a stop
    )
    if codec.forced_bos is not None:
        config.forced_bos_token_id = codec.forced_bos
    return config


def _ends(config: GenerationConfig, codec: Codec | ChatCodec) -> list[int]:
    own = config.eos_token_id
    listed = own if isinstance(own, list) else [] if own is None else [own]
    return list(dict.fromkeys([codec.end, *listed, *codec.breaks]))


def hypothesis(ids: list[int], codec: Codec | ChatCodec, config: GenerationConfig) -> Hypothesis:
    """What generated ids say, up to the first end among them."""
    ends: Any = config.eos_token_id
    stop = next((place for place, token in enumerate(ids) if token in ends), None)
    kept = ids if stop is None else ids[:stop]
    if stop is not None and ids[stop] in codec.breaks:
        # The token may have the end of the answer before its line break.
        text = codec.decode(ids[: stop + 1], strip=False).partition("\n")[0].strip()
        return Hypothesis(text, True, stop + 1)
    return Hypothesis(codec.decode(kept), stop is not None, len(kept) + (stop is not None))
