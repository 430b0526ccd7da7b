"""What every stand-in writes: JSON files, sentencepiece models and random weights."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import sentencepiece
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

Json = dict[str, Any]
"""A JSON object; its values are whatever the true file has."""

FROM_CONFIG: Json = {"_from_model_config": True}
"""The mark of a generation configuration that the hub once made out of a ``config.json``."""


def write_json(file: Path, content: Json) -> None:
    """Write a JSON file as the hub has it: indented, UTF-8."""
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")


def train_sentencepiece(
    texts: Sequence[str], kind: Literal["bpe", "unigram"], size: int, **ids: int
) -> sentencepiece.SentencePieceProcessor:
    """Train a sentencepiece model that knows every character of the texts.

    Args:
        texts: The sentences.
        kind: The algorithm.
        size: The greatest number of pieces; fewer where the texts do not give so many.
        **ids: ``pad_id``, ``unk_id``, ``bos_id``, ``eos_id`` where they are not sentencepiece's
            own (-1, 0, 1, 2).
    """
    model = io.BytesIO()
    settings: Json = {
        "sentence_iterator": iter(texts),
        "model_writer": model,
        "model_type": kind,
        "vocab_size": size,
        "hard_vocab_limit": False,
        "character_coverage": 1.0,
        "seed_sentencepiece_size": 2000,  # the defaults, meant for large corpora, take thrice as
        "shrinking_factor": 0.5,  # long and give no shorter sentences here
        "num_threads": 1,
        "minloglevel": 2,
        **ids,
    }
    sentencepiece.SentencePieceTrainer.train(**settings)
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def pieces_of(processor: sentencepiece.SentencePieceProcessor) -> list[str]:
    """Return the pieces in the order of their ids."""
    return [processor.id_to_piece(index) for index in range(processor.get_piece_size())]


def save_weights(folder: Path) -> None:
    """Add random weights for the folder's ``config.json``, leaving its JSON files as they are."""
    kept = {file: file.read_bytes() for file in folder.glob("*config.json")}
    config = AutoConfig.from_pretrained(folder)
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    auto.from_config(config).save_pretrained(folder)
    for file, content in kept.items():
        file.write_bytes(content)
