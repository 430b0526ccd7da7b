"""Pairs to training examples: token ids in the columns that the trainers take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from mtsweep.data.pairs import Pair
from mtsweep.errors import RunFailedError
from mtsweep.models import tokens
from mtsweep.models.chat import ChatCodec, Spoken
from mtsweep.models.codec import Codec
from mtsweep.models.tokens import Ragged

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
    places: list[int]
    """Place of the pair or conversation that each row was made of."""


def causal(pairs: Sequence[Pair], codec: Codec, max_length: int | None) -> Examples:
    """Prompt and completion in one row; the loss sees the completion and its end token alone."""
    made = tokens.sides(pairs, codec)
    return _kept(*_joined(made.sources, made.targets), list(range(len(pairs))), max_length)


def seq2seq(pairs: Sequence[Pair], codec: Codec, max_length: int | None) -> Examples:
    """Encoder input and labels; language codes and end tokens included."""
    made = tokens.sides(pairs, codec)
    return _kept(made.sources, made.targets, list(range(len(pairs))), max_length)


def chat(conversations: Sequence[Pair], codec: ChatCodec, max_length: int | None) -> Examples:
    """Whole conversations; the loss sees every answer and its end token, and nothing else."""
    import numpy as np

    made = tokens.talks(conversations, codec)
    labels = np.full_like(made.ids.values, IGNORED)
    for begin, row in zip(made.ids.starts.tolist(), made.answers.rows(), strict=False):
        for start, end in zip(row[::2], row[1::2], strict=True):
            labels[begin + start : begin + end] = made.ids.values[begin + start : begin + end]
    return _kept(made.ids, Ragged(labels, made.ids.starts), made.places.tolist(), max_length)


def row(spoken: Spoken) -> dict[str, list[int]]:
    """A conversation as a training example."""
    labels = [IGNORED] * len(spoken.ids)
    for start, end in spoken.answers:
        labels[start:end] = spoken.ids[start:end]
    return {"input_ids": list(spoken.ids), "labels": labels}


def measured(pairs: Sequence[Pair], codec: Codec) -> NDArray[np.integer]:
    """What of each pair ``max_length`` bounds: prompt and completion, or the longer side."""
    import numpy as np

    made = tokens.sides(pairs, codec)
    both = made.sources.lengths, made.targets.lengths
    return both[0] + both[1] if codec.family == "causal" else np.maximum(*both)


def lengths(rows: Dataset) -> list[int]:
    """Tokens of the input of each example."""
    import pyarrow.compute as pc

    table: Any = rows.with_format("arrow")[:]
    return pc.list_value_length(table.column("input_ids")).to_pylist()  # type: ignore[attr-defined]


def _joined(sources: Ragged, targets: Ragged) -> tuple[Ragged, Ragged]:
    """Each source with its target behind it, and the same as labels."""
    import numpy as np

    starts = sources.starts + targets.starts
    turns = np.column_stack((sources.lengths, targets.lengths)).ravel()
    said = np.repeat(np.tile([False, True], len(sources)), turns)
    ids = np.empty(len(said), dtype=np.int32)
    ids[~said], ids[said] = sources.values, targets.values
    return Ragged(ids, starts), Ragged(np.where(said, ids, np.int32(IGNORED)), starts)


def _kept(ids: Ragged, labels: Ragged, places: list[int], max_length: int | None) -> Examples:
    import numpy as np
    from datasets import Dataset
    from pyarrow import table

    longest = np.maximum(ids.lengths, labels.lengths)
    whole = longest <= (max_length or np.inf)
    if not whole.any():
        raise RunFailedError(
            f"trainer.max_length: every pair is longer than {max_length} tokens; "
            f"the shortest has {longest.min()}"
        )
    if not whole.all():
        ids, labels = _taken(ids, whole), _taken(labels, whole)
        places = [place for place, there in zip(places, whole, strict=True) if there]
    columns = table({"input_ids": _column(ids), "labels": _column(labels)})
    rows = Dataset(columns, fingerprint=uuid4().hex)  # else the whole content is hashed for one
    return Examples(rows, int((~whole).sum()), places)


def _taken(rows: Ragged, wanted: NDArray[np.bool_]) -> Ragged:
    import numpy as np

    lengths = rows.lengths
    starts = np.concatenate(([0], np.cumsum(lengths[wanted])))
    return Ragged(rows.values[np.repeat(wanted, lengths)], starts)


def _column(rows: Ragged) -> Any:  # noqa: ANN401 - an Arrow array, of types that pyarrow does not tell
    import pyarrow as pa

    if rows.starts[-1] < 2**31:
        return pa.ListArray.from_arrays(pa.array(rows.starts, pa.int32()), pa.array(rows.values))
    return pa.LargeListArray.from_arrays(pa.array(rows.starts), pa.array(rows.values))
