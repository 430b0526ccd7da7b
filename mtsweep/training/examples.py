"""Pairs to training examples: token ids in the columns that the trainers take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from mtsweep.data.pairs import Pair
from mtsweep.errors import RunFailedError
from mtsweep.models import tokens
from mtsweep.models.chat import ChatCodec, Spoken
from mtsweep.models.codec import Codec
from mtsweep.models.ragged import Ragged
from mtsweep.models.tokens import Talks
from mtsweep.training.rows import Table

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset
    from numpy.typing import NDArray

IGNORED = -100
"""Label of a token that no loss is computed on."""


class Examples(NamedTuple):
    """What a trainer is given."""

    rows: Dataset
    """Columns ``input_ids`` and ``labels`` (each ``tokens``)."""
    too_long: int
    """Rows left out because they are longer than ``max_length``."""
    places: NDArray[np.integer]
    """Place of the pair or conversation that each row was made of."""


def causal(pairs: Sequence[Pair], codec: Codec, max_length: int | None) -> Examples:
    """Prompt and completion in one row; the loss sees the completion and its end token alone."""
    pieces = tokens.sides(pairs, codec)
    return _kept((_joined(made.sources, made.targets) for made in pieces), None, max_length)


def seq2seq(pairs: Sequence[Pair], codec: Codec, max_length: int | None) -> Examples:
    """Encoder input and labels; language codes and end tokens included."""
    pieces = tokens.sides(pairs, codec)
    return _kept(((made.sources, made.targets) for made in pieces), None, max_length)


def chat(conversations: Sequence[Pair], codec: ChatCodec, max_length: int | None) -> Examples:
    """Whole conversations; the loss sees every answer and its end token, and nothing else."""
    pieces = tokens.talks(conversations, codec)
    return _kept(map(_marked, pieces), (made.places for made in pieces), max_length)


def row(spoken: Spoken) -> dict[str, list[int]]:
    """A conversation as a training example."""
    labels = [IGNORED] * len(spoken.ids)
    for start, end in spoken.answers:
        labels[start:end] = spoken.ids[start:end]
    return {"input_ids": list(spoken.ids), "labels": labels}


def measured(pairs: Sequence[Pair], codec: Codec) -> NDArray[np.integer]:
    """What of each pair ``max_length`` bounds: prompt and completion, or the longer side."""
    import numpy as np

    both = ((made.sources.lengths, made.targets.lengths) for made in tokens.sides(pairs, codec))
    join = np.add if codec.family == "causal" else np.maximum
    return np.concatenate([join(*each) for each in both])


def lengths(rows: Dataset) -> NDArray[np.integer]:
    """Tokens of the input of each example."""
    import pyarrow.compute as pc

    table: Any = rows.with_format("arrow")[:]
    return pc.list_value_length(table.column("input_ids")).to_numpy()  # type: ignore[attr-defined]


def _marked(made: Talks) -> tuple[Ragged, Ragged]:
    """Conversations, and the same with nothing but the answers as labels."""
    import numpy as np

    labels = np.full_like(made.ids.values, IGNORED)
    for begin, row in zip(made.ids.starts.tolist(), made.answers.rows(), strict=False):
        for start, end in zip(row[::2], row[1::2], strict=True):
            labels[begin + start : begin + end] = made.ids.values[begin + start : begin + end]
    return made.ids, Ragged(labels, made.ids.starts)


def _joined(sources: Ragged, targets: Ragged) -> tuple[Ragged, Ragged]:
    """Each source with its target behind it, and the same as labels."""
    import numpy as np

    starts = sources.starts + targets.starts
    turns = np.column_stack((sources.lengths, targets.lengths)).ravel()
    said = np.repeat(np.tile([False, True], len(sources)), turns)
    ids = np.empty(len(said), dtype=np.int32)
    ids[~said], ids[said] = sources.values, targets.values
    return Ragged(ids, starts), Ragged(np.where(said, ids, np.int32(IGNORED)), starts)


def _kept(
    pieces: Iterable[tuple[Ragged, Ragged]],
    places: Iterable[NDArray[np.integer]] | None,
    max_length: int | None,
) -> Examples:
    """Those rows of inputs and labels that are short enough.

    Args:
        pieces: Inputs and labels of some rows each.
        places: What of those rows are made; ``None``: each of one, in order.
        max_length: Tokens that a row may have.
    """
    import numpy as np
    from datasets import Dataset

    told = iter(places) if places is not None else None
    made, kept, seen, shortest = Table(), [], 0, None
    for ids, labels in pieces:
        longest = np.maximum(ids.lengths, labels.lengths)
        whole = longest <= (max_length or np.inf)
        where = next(told) if told else np.arange(seen, seen + len(ids))
        seen += len(ids)
        shortest = min(filter(None, (shortest, longest.min(initial=2**31 - 1))))
        if not whole.all():
            ids, labels, where = _taken(ids, whole), _taken(labels, whole), where[whole]  # noqa: PLW2901
        kept.append(where)
        made.add(ids, labels)
    found = np.concatenate(kept)
    if not len(found):
        raise RunFailedError(
            f"trainer.max_length: every pair is longer than {max_length} tokens; "
            f"the shortest has {shortest}"
        )
    rows = Dataset(made.whole(), fingerprint=uuid4().hex)  # else all of it is hashed for one
    return Examples(rows, seen - len(found), found)


def _taken(rows: Ragged, wanted: NDArray[np.bool_]) -> Ragged:
    import numpy as np

    lengths = rows.lengths
    starts = np.concatenate(([0], np.cumsum(lengths[wanted])))
    return Ragged(rows.values[np.repeat(wanted, lengths)], starts)
