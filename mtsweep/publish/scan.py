"""What goes out: files of known names alone, and nothing in them of a machine or a person."""

from __future__ import annotations

import fnmatch
import json
import struct
from collections.abc import Iterator
from pathlib import Path

from mtsweep.card.privacy import Kind, secrets

KNOWN: dict[str, Kind] = {
    "README.md": "prose",
    "adapter_config.json": "configuration",
    "config.json": "configuration",
    "generation_config.json": "configuration",
    "tokenizer_config.json": "configuration",
    "special_tokens_map.json": "configuration",
    "added_tokens.json": "vocabulary",
    "model.safetensors.index.json": "configuration",
    "chat_template.jinja": "prose",
    "additional_chat_templates/*.jinja": "prose",
    "tokenizer.json": "vocabulary",
    "vocab.json": "vocabulary",
    "vocab.txt": "vocabulary",
    "target_vocab.json": "vocabulary",
    "merges.txt": "vocabulary",
    "tokenizer.model": "vocabulary",
    "sentencepiece.bpe.model": "vocabulary",
    "spiece.model": "vocabulary",
    "*.spm": "vocabulary",
    "adapter_model.safetensors": "configuration",
    "model.safetensors": "configuration",
    "model-*-of-*.safetensors": "configuration",
}
"""Patterns of the files that a model is loaded from, with what may stand in them. Whatever else is
in a folder stays behind: training arguments, optimisers, checkpoints, logs, training pairs."""

_HEADER = 100_000_000
"""Bytes of a safetensors header at most, as the format has it."""


def kind(name: str) -> Kind | None:
    """What a file is, by its path in the folder; ``None`` for one that stays behind."""
    return next((told for pattern, told in KNOWN.items() if fnmatch.fnmatch(name, pattern)), None)


def found(folder: Path) -> Iterator[str]:
    """Every file with what must not go out in it."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        told = kind(name)
        if not path.is_file() or told is None:
            continue
        for secret in dict.fromkeys(secrets(_text(path), told)):
            yield f"{name}: {secret}"


def _text(path: Path) -> str:
    """What of a file can be read; of weights the header, whose metadata are free text."""
    if path.suffix != ".safetensors":
        return path.read_text(encoding="utf-8", errors="ignore")
    with path.open("rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(min(size, _HEADER)))
    return json.dumps(header.get("__metadata__", {}))
