"""What a model says to the texts of a run's test set, asked as it was when the run was scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mtsweep.data.pairs import Message
from mtsweep.evaluation.generate import Hypothesis, within_memory
from mtsweep.export.source import Row, Source
from mtsweep.models.chat import ChatCodec
from mtsweep.models.codec import Codec
from mtsweep.models.load import Base

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Speak = Callable[..., list[Hypothesis]]
"""What generates: :func:`mtsweep.evaluation.generate.generate`, or another engine in its place."""

_ROOM, _SPARE = 1.25, 4


def again(
    source: Source, base: Base, speak: Speak, advance: Callable[[int], None] = lambda _: None
) -> list[Row]:
    """The rows of a run's predictions, with what another model says instead.

    Texts, their order and their batches are those of the scoring, and so is the limit of tokens.

    Args:
        source: The run.
        base: Model and tokenizer as they were loaded.
        speak: Generates with the model.
        advance: Called with the number of segments done.
    """
    said: dict[int, Hypothesis] = {}
    for languages in source.pairs:
        places = [n for n, row in enumerate(source.rows) if source.languages(row) == languages]
        rows, before = [source.rows[place] for place in places], len(said)
        told = _said(source, base, speak, rows, lambda done, n=before: advance(n + done))
        said.update(zip(places, told, strict=True))
    return [
        {
            **row,
            "hypothesis": said[place].text,
            "stopped": said[place].stopped,
            "tokens": said[place].tokens,
        }
        for place, row in enumerate(source.rows)
    ]


def _said(
    source: Source,
    base: Base,
    speak: Speak,
    rows: Sequence[Row],
    advance: Callable[[int], None],
) -> list[Hypothesis]:
    codec = codec_of(source, base.tokenizer, source.languages(rows[0]))
    given: list[Any] = [row["source"] for row in rows]
    if isinstance(codec, ChatCodec):
        given = [_history(row) for row in rows]
    most = limit(source, rows, codec)
    return within_memory(
        source.decoding,
        lambda decoding: speak(base.model, codec, given, decoding, most, advance),
    )[0]


def codec_of(
    source: Source, tokenizer: PreTrainedTokenizerBase, languages: tuple[str, str]
) -> Codec | ChatCodec:
    """How the run asks: text to tokens and back."""
    if source.config.data.is_chat:
        return ChatCodec(tokenizer)
    return Codec(tokenizer, source.family, languages, source.config.prompt, source.shots)


def limit(source: Source, rows: Sequence[Row], codec: Codec | ChatCodec) -> int:
    """Generated tokens at most, as when the rows were made.

    An output that did not stop has exactly as many. Where all of them stopped, whatever leaves
    them whole gives the same; then it is a quarter more than the longest reference has, as runs
    have it of their training pairs.
    """
    if source.config.decoding.max_new_tokens is not None:
        return source.config.decoding.max_new_tokens
    cut = [row["tokens"] for row in rows if not row["stopped"]]
    if cut:
        return max(cut)
    longest = max(len(codec.target_ids(row["reference"])) for row in rows)
    return max(int(_ROOM * longest) + _SPARE, *(row["tokens"] for row in rows), 1)


def _history(row: Row) -> tuple[Message, ...]:
    """The beginning of a conversation, up to its first answer."""
    context = (Message("system", row["context"]),) if row.get("context") else ()
    return (*context, Message("user", row["source"]))
