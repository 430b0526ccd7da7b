"""What a model makes of answers that others gave: their loss, token by token.

A conversation is read once, whole; the loss counts the tokens of its answers and of their ends,
each behind exactly what generation would start from. Sums are kept by conversation, so that corpus
figures, their intervals and paired comparisons come from the same place as those of translations.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtsweep import device, interruption
from mtsweep.data.pairs import Pair
from mtsweep.errors import RunFailedError, UserError
from mtsweep.evaluation import significance
from mtsweep.models import tokens
from mtsweep.models.chat import ChatCodec, Spoken
from mtsweep.record import write
from mtsweep.scores import CHAT, Score, direction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

TOKENS_AT_ONCE = 2048
"""Positions of a batch, padding included; a longer conversation is a batch of its own."""
_AT_ONCE = 256
"""Positions whose log-probabilities are held in float32 at a time."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Sums over the answers of a conversation."""

    loss: float
    """Nats."""
    tokens: int
    """Tokens of the answers, their ends included."""
    correct: int
    """Tokens that the model found the likeliest."""


def read(
    model: Any,  # noqa: ANN401 - a PreTrainedModel or a PeftModel
    codec: ChatCodec,
    conversations: Sequence[Pair],
    advance: Callable[[int], None] = lambda _: None,
) -> list[Reading]:
    """Losses of conversations, in their order.

    Args:
        model: In evaluation mode, on its device.
        codec: Of conversations.
        conversations: What is longer than the model's context is read as far as that goes.
        advance: Called with the number of conversations done.

    Raises:
        RunFailedError: if a loss is not finite.
    """
    context = getattr(model.config, "max_position_embeddings", None)
    spoken = tokens.spoken(conversations, codec)
    rows = [(place, _within(each, context)) for place, each in spoken]
    left = sorted(rows, key=lambda row: len(row[1].ids), reverse=True)
    sums = [[0.0, 0, 0] for _ in conversations]
    room = TOKENS_AT_ONCE
    while left:
        interruption.check()
        batch = _next(left, room)
        try:
            told = _losses(model, [spoken for _, spoken in batch])
        except Exception as error:
            if not device.is_out_of_memory(error) or len(batch) == 1:
                raise
            told = None
        if told is None:  # out of the handler, whose traceback would keep tensors alive
            device.free_memory()
            room = len(batch[0][1].ids) * (len(batch) // 2)
            continue
        left = left[len(batch) :]
        for (place, _), each in zip(batch, told, strict=True):
            sums[place] = [a + b for a, b in zip(sums[place], each, strict=True)]
        advance(len(conversations) - len({place for place, _ in left}))
    return [Reading(loss, int(tokens), int(correct)) for loss, tokens, correct in sums]


def _within(spoken: Spoken, context: int | None) -> Spoken:
    """What of a conversation fits into the model's context."""
    if context is None or len(spoken.ids) <= context:
        return spoken
    answers = tuple((start, min(end, context)) for start, end in spoken.answers if start < context)
    return Spoken(spoken.ids[:context], answers)


def _next(rows: Sequence[tuple[int, Spoken]], room: int) -> Sequence[tuple[int, Spoken]]:
    """The first rows, the longest one first, as many as there is room for; one at least."""
    return rows[: max(1, room // len(rows[0][1].ids))]


def _losses(
    model: Any,  # noqa: ANN401
    rows: Sequence[Spoken],
) -> list[tuple[float, int, int]]:
    """Loss, tokens and likeliest tokens of each row's answers."""
    import torch

    # rows x tokens
    shape = len(rows), max(len(spoken.ids) for spoken in rows)
    ids = torch.zeros(shape, dtype=torch.long)  # padding is masked out, whatever it is
    seen, wanted = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.bool)
    for row, spoken in enumerate(rows):
        ids[row, : len(spoken.ids)] = torch.tensor(spoken.ids)
        seen[row, : len(spoken.ids)] = 1
        for start, end in spoken.answers:
            wanted[row, start:end] = True
    places = wanted.any(dim=0).nonzero().view(-1)  # positions that any row has a loss at
    if not len(places):
        return [(0.0, 0, 0)] * len(rows)
    ids, wanted = ids.to(model.device), wanted[:, places].to(model.device)
    places = places.to(model.device)
    with torch.no_grad():
        logits = _logits(model, ids, seen.to(model.device), places - 1)
        loss, correct = torch.zeros(shape[0]), torch.zeros(shape[0], dtype=torch.long)
        for start in range(0, len(places), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            target = ids[:, places[part]].unsqueeze(-1)
            likely = torch.log_softmax(logits[:, part].float(), dim=-1)
            taken = likely.gather(-1, target).squeeze(-1)
            right = (likely.argmax(dim=-1, keepdim=True) == target).squeeze(-1)
            loss -= torch.where(wanted[:, part], taken, 0.0).double().sum(dim=1).cpu()
            correct += (right & wanted[:, part]).sum(dim=1).cpu()
    if not bool(loss.isfinite().all()):
        raise RunFailedError("not finite: the loss on a held-out conversation")
    counts = wanted.sum(dim=1).tolist()
    return list(zip(loss.tolist(), counts, correct.tolist(), strict=True))


def _logits(model: Any, ids: Any, seen: Any, places: Any) -> Any:  # noqa: ANN401 - tensors
    """Logits at some positions (rows x places x vocabulary), no others computed if it can be."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    given = {"input_ids": ids, "attention_mask": seen, "use_cache": False}
    if "logits_to_keep" in inspect.signature(base.forward).parameters:
        return model(**given, logits_to_keep=places).logits
    return model(**given).logits[:, places]


def scores(readings: Sequence[Reading], codec: ChatCodec) -> dict[str, Score]:
    """Loss, perplexity and token accuracy, each with a 95 % bootstrap interval over conversations.

    Raises:
        RunFailedError: if no answer was read, because the context is too small for any.
    """
    if not any(each.tokens for each in readings):
        raise RunFailedError("no held-out conversation has an answer within the model's context")
    table = _table(readings)
    signature = f"tokens:answers+ends|vocabulary+template:{codec.print}|version:1"
    return {
        name: Score(
            value=float(significance.whole([table], name)[0]),
            signature=signature,
            low=low,
            high=high,
            direction=direction(name),
            segments=len(readings),
        )
        for name in CHAT
        for low, high in [significance.interval(significance.resampled([table], name)[0])]
    }


def _table(readings: Sequence[Reading]) -> Array:
    """Conversations x (loss, tokens, likeliest tokens)."""
    import numpy as np

    return np.array([[each.loss, each.tokens, each.correct] for each in readings], dtype=np.float64)


def keep(
    folder: Path, test_set: str, conversations: Sequence[Pair], readings: Sequence[Reading]
) -> None:
    """Write ``losses/<test set>.jsonl``: one JSON object a conversation."""
    rows = [
        {
            "id": pair.id,
            "origin": pair.origin,
            "loss": each.loss,
            "tokens": each.tokens,
            "correct": each.correct,
        }
        for pair, each in zip(conversations, readings, strict=True)
    ]
    path = _path(folder, test_set)
    path.parent.mkdir(exist_ok=True)
    write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def of_run(folder: Path, test_set: str) -> Array:
    """Statistics of a finished run: conversations x (loss, tokens, likeliest tokens).

    Raises:
        UserError: if its losses are gone or not whole.
    """
    path = _path(folder, test_set)
    try:
        return _table(list(_rows(path)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: no whole losses there ({type(error).__name__}), so the run cannot be "
            "compared; remove its folder to run it again"
        ) from error


def _rows(path: Path) -> Iterator[Reading]:
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line:
            row = json.loads(line)
            yield Reading(float(row["loss"]), int(row["tokens"]), int(row["correct"]))


def _path(folder: Path, test_set: str) -> Path:
    return folder / "losses" / f"{test_set}.jsonl"
