"""Before training: decode one example of a real batch, and see that it is what it should be.

Most failed tunings are a wrong end token, a masked one, or a prompt that differs between training
and generation. This looks at what the trainer's own collator hands to the model.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any

from mtsweep.data.pairs import Conversation, Pair
from mtsweep.errors import RunFailedError
from mtsweep.models.chat import ChatCodec
from mtsweep.models.codec import Codec
from mtsweep.training.examples import IGNORED

Batch = Mapping[str, Any]


def check(pairs: list[Pair], rows: list[Any], collate: Callable[[Any], Batch], codec: Codec) -> str:
    """Check the examples of one batch as the model will see them.

    Args:
        pairs: The pairs that ``rows`` were made of.
        rows: Tokenised examples, of different lengths so that there is padding.
        collate: The trainer's collator.
        codec: What prompts are made with at generation; of other language pairs, its like.

    Returns:
        An account for the log: what the model is given, and what it is trained to say.

    Raises:
        RunFailedError: if the trained span is not exactly target and end token, or what comes
            before it is not, token for token, what generation starts from.
    """
    batch = collate(rows)
    told: dict[tuple[str, str], str] = {}
    for index, pair in enumerate(pairs):
        own = codec.of(pair)
        ids = batch["input_ids"][index].tolist()
        mask = batch["attention_mask"][index].tolist()
        given = [token for token, seen in zip(ids, mask, strict=True) if seen]
        labels = batch["labels"][index].tolist()
        trained = [label for label in labels if label != IGNORED]
        prompt = given[: -len(trained)] if own.family == "causal" else given
        _expect(trained == own.target_ids(pair.target), "trained span", pair, own, trained)
        _expect(prompt == own.source_ids(pair.source), "prompt", pair, own, prompt)
        _expect(trained[-1] == own.end, "end of the trained span", pair, own, trained)
        if own.forced_bos is not None:
            _expect(trained[0] == own.forced_bos, "target language", pair, own, trained)
        said = own.decode(trained)
        _expect(_folded(said) == _folded(pair.target), "decoded target", pair, own, trained)
        account = (
            f"  given   {own.tokenizer.decode(prompt)!r}\n"
            f"  trained {own.tokenizer.decode(trained)!r}\n"
            f"  ends with {own.tokenizer.convert_ids_to_tokens(trained[-1])!r}, "
            f"{len(labels) - len(trained)} of {len(labels)} positions without loss"
        )
        told.setdefault(own.languages, account)
    return "\n".join([f"preflight, {len(pairs)} examples", *told.values()])


def check_chat(
    conversations: list[Conversation],
    rows: list[Any],
    collate: Callable[[Any], Batch],
    codec: ChatCodec,
) -> str:
    """Check conversations of one batch as the model will see them.

    Args:
        conversations: What ``rows`` were made of; one may have several rows.
        rows: Tokenised examples.
        collate: The trainer's collator.
        codec: What histories are rendered with at generation.

    Returns:
        An account for the log: what the model is given, and every span that it is trained to say.

    Raises:
        RunFailedError: if the trained spans are not exactly the answers, each with its end token
            and behind what generation would start from, token for token.
    """
    batch = collate(rows)
    found = [span for index in range(len(rows)) for span in _spans(batch, index)]
    wanted = [
        (each, each.messages[:place], turn.content)
        for each in conversations
        for place, turn in enumerate(each.messages)
        if turn.role == "assistant"
    ]
    if len(found) != len(wanted):
        raise RunFailedError(
            f"preflight: {len(found)} trained spans for {len(wanted)} answers of "
            f"{len(conversations)} conversations"
        )
    told = [f"preflight, {len(conversations)} conversations, {len(wanted)} answers"]
    for (before, trained), (each, history, answer) in zip(found, wanted, strict=True):
        _expect(trained[-1] == codec.end, "end of an answer", each, codec, trained)
        _expect(codec.end not in trained[:-1], "extent of an answer", each, codec, trained)
        said = codec.decode(trained)
        _expect(_folded(said) == _folded(answer), "trained answer", each, codec, trained)
        _expect(before == codec.source_ids(history), "history", each, codec, before)
        if each is conversations[0]:
            told.append(f"  trained {codec.tokenizer.decode(trained)!r}")
    given = codec.tokenizer.decode(found[0][0])
    labels = batch["labels"]
    scored = sum(int(label != IGNORED) for row in labels for label in row.tolist())
    positions = sum(len(row) for row in labels)
    told.insert(1, f"  given   {given!r}")
    told.append(
        f"  every answer ends with {codec.tokenizer.convert_ids_to_tokens(codec.end)!r}, "
        f"{positions - scored} of {positions} positions without loss"
    )
    return "\n".join(told)


def _spans(batch: Batch, index: int) -> list[tuple[list[int], list[int]]]:
    """What is trained of a row of a batch, stretch by stretch, each with all that is before it."""
    columns = (batch[name][index].tolist() for name in ("input_ids", "labels", "attention_mask"))
    seen = [(token, label) for token, label, mask in zip(*columns, strict=True) if mask]
    found, place = [], 0
    for trained, group in groupby(seen, key=lambda each: each[1] != IGNORED):
        stretch = list(group)
        if trained:
            if any(token != label for token, label in stretch):
                raise RunFailedError(f"preflight: row {index} is trained to say what it does not")
            found.append(([token for token, _ in seen[:place]], [label for _, label in stretch]))
        place += len(stretch)
    return found


def _expect(holds: bool, what: str, pair: Pair, codec: Codec | ChatCodec, ids: list[int]) -> None:  # noqa: FBT001
    if not holds:
        raise RunFailedError(
            f"preflight: the {what} of pair {pair.id} is not what it should be: "
            f"{codec.tokenizer.decode(ids)!r}"
        )


def _folded(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())
