"""Before training: decode one example of a real batch, and see that it is what it should be.

Most failed tunings are a wrong end token, a masked one, or a prompt that differs between training
and generation. This looks at what the trainer's own collator hands to the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mtsweep.data.pairs import Pair
from mtsweep.errors import RunFailedError
from mtsweep.models.codec import Codec
from mtsweep.training.examples import IGNORED

Batch = Mapping[str, Any]


def check(pairs: list[Pair], rows: list[Any], collate: Callable[[Any], Batch], codec: Codec) -> str:
    """Check the examples of one batch as the model will see them.

    Args:
        pairs: The pairs that ``rows`` were made of.
        rows: Tokenised examples, of different lengths so that there is padding.
        collate: The trainer's collator.
        codec: What prompts are made with at generation.

    Returns:
        An account for the log: what the model is given, and what it is trained to say.

    Raises:
        RunFailedError: if the trained span is not exactly target and end token, or what comes
            before it is not, token for token, what generation starts from.
    """
    batch = collate(rows)
    told = ""
    for index, pair in enumerate(pairs):
        ids = batch["input_ids"][index].tolist()
        mask = batch["attention_mask"][index].tolist()
        given = [token for token, seen in zip(ids, mask, strict=True) if seen]
        labels = batch["labels"][index].tolist()
        trained = [label for label in labels if label != IGNORED]
        prompt = given[: -len(trained)] if codec.family == "causal" else given
        _expect(trained == codec.target_ids(pair.target), "trained span", pair, codec, trained)
        _expect(prompt == codec.source_ids(pair.source), "prompt", pair, codec, prompt)
        _expect(trained[-1] == codec.end, "end of the trained span", pair, codec, trained)
        if codec.forced_bos is not None:
            _expect(trained[0] == codec.forced_bos, "target language", pair, codec, trained)
        said = codec.decode(trained)
        _expect(_folded(said) == _folded(pair.target), "decoded target", pair, codec, trained)
        told = told or (
            f"preflight, {len(pairs)} examples\n"
            f"  given   {codec.tokenizer.decode(prompt)!r}\n"
            f"  trained {codec.tokenizer.decode(trained)!r}\n"
            f"  ends with {codec.tokenizer.convert_ids_to_tokens(trained[-1])!r}, "
            f"{len(labels) - len(trained)} of {len(labels)} positions without loss"
        )
    return told


def _expect(holds: bool, what: str, pair: Pair, codec: Codec, ids: list[int]) -> None:  # noqa: FBT001
    if not holds:
        raise RunFailedError(
            f"preflight: the {what} of pair {pair.id} is not what it should be: "
            f"{codec.tokenizer.decode(ids)!r}"
        )


def _folded(text: str) -> str:
    return "".join(text.split())
