"""Pairs to token ids, in the columns that the trainers take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mtsweep.data.pairs import Conversation, Pair
from mtsweep.errors import RunFailedError
from mtsweep.models.chat import ChatCodec, Spoken
from mtsweep.models.codec import Codec

if TYPE_CHECKING:
    from datasets import Dataset

IGNORED = -100
"""Label of a token that no loss is computed on."""


def causal(pairs: Iterable[Pair], codec: Codec, max_length: int | None) -> tuple[Dataset, int]:
    """Prompt and completion in one row; the loss sees the completion and its end token alone.

    Returns:
        Columns ``input_ids`` and ``labels`` (each ``tokens``), and the number of pairs left out
        because they are longer than ``max_length``.
    """
    rows = []
    for pair in pairs:
        own = codec.of(pair)
        prompt, completion = own.source_ids(pair.source), own.target_ids(pair.target)
        labels = [IGNORED] * len(prompt) + completion
        rows.append({"input_ids": prompt + completion, "labels": labels})
    return _kept(rows, max_length)


def seq2seq(pairs: Iterable[Pair], codec: Codec, max_length: int | None) -> tuple[Dataset, int]:
    """Encoder input and labels; language codes and end tokens included.

    Returns:
        Columns ``input_ids`` (source tokens) and ``labels`` (target tokens), and the number of
        pairs left out because a side is longer than ``max_length``.
    """
    spoken = ((codec.of(pair), pair) for pair in pairs)
    rows = [
        {"input_ids": own.source_ids(pair.source), "labels": own.target_ids(pair.target)}
        for own, pair in spoken
    ]
    return _kept(rows, max_length)


def chat(
    conversations: Iterable[Pair], codec: ChatCodec, max_length: int | None
) -> tuple[Dataset, int]:
    """Whole conversations; the loss sees every answer and its end token, and nothing else.

    Returns:
        Columns ``input_ids`` and ``labels`` (each ``tokens``), and the number of rows left out
        because they are longer than ``max_length``.
    """
    rows = [
        row(spoken)
        for each in conversations
        if isinstance(each, Conversation)
        for spoken in codec.spoken(each.messages)
    ]
    return _kept(rows, max_length)


def row(spoken: Spoken) -> dict[str, list[int]]:
    """A conversation as a training example."""
    labels = [IGNORED] * len(spoken.ids)
    for start, end in spoken.answers:
        labels[start:end] = spoken.ids[start:end]
    return {"input_ids": list(spoken.ids), "labels": labels}


def _kept(rows: list[dict[str, list[int]]], max_length: int | None) -> tuple[Dataset, int]:
    from datasets import Dataset

    limit = max_length or float("inf")
    kept = [row for row in rows if max(map(len, row.values())) <= limit]
    if not kept:
        shortest = min(max(map(len, row.values())) for row in rows)
        raise RunFailedError(
            f"trainer.max_length: every pair is longer than {max_length} tokens; "
            f"the shortest has {shortest}"
        )
    return Dataset.from_list(kept), len(rows) - len(kept)
