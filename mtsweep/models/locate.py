"""Where a model's weights are and which version they are, found without importing torch.

For a hub model this fetches ``config.json`` and ``tokenizer_config.json`` (a few kB): enough to
know the commit, the architecture and the languages before anything is loaded.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mtsweep.cache import cache_dir
from mtsweep.config import ModelConfig
from mtsweep.data.phrases import phrases
from mtsweep.errors import UserError
from mtsweep.hub import NoSuchFileError, fetched
from mtsweep.models import smollm2

TINY_VERSION = "2"
TINY: dict[str, dict[str, Any]] = {
    "llama": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "tie_word_embeddings": True,
    },
    "m2m_100": {
        "d_model": 64,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 128,
        "decoder_ffn_dim": 128,
        "encoder_layerdrop": 0.0,  # with two layers, dropping both would leave nothing to train
        "decoder_layerdrop": 0.0,
        "max_position_embeddings": 1024,
    },
}
"""Sizes of the tiny models, by architecture."""


@dataclass(frozen=True)
class Located:
    """A model that is known to exist."""

    name: str
    """What ``from_pretrained`` is given for a hub model or folder; the label of an embedded one."""
    revision: str
    """Commit on the hub, or a fingerprint of the content: part of the run id."""
    config: dict[str, Any]
    """``config.json``, or of an embedded model the sizes in it."""
    tokenizer_config: dict[str, Any]


def locate(model: ModelConfig) -> Located:
    """Find a model; each one once, found or not.

    Raises:
        UserError: with the remedy, if it is missing, gated, or out of reach.
    """
    result = _located(model)  # pyright: ignore[reportArgumentType] - frozen, so hashable
    if isinstance(result, UserError):
        raise result
    return result


@lru_cache(maxsize=64)
def _located(model: ModelConfig) -> Located | UserError:
    try:
        return _find(model)
    except UserError as error:
        return error


def _find(model: ModelConfig) -> Located:
    if model.source == "smollm2":
        return Located(model.name, smollm2.REVISION, smollm2.SHAPE, {})
    if model.source == "tiny":
        book = json.dumps(phrases(), sort_keys=True).encode()
        version = hashlib.sha256(TINY_VERSION.encode() + book).hexdigest()[:12]
        architecture = "llama" if model.kind == "causal" else "m2m_100"
        sizes = {"vocab_size": 2048, "is_encoder_decoder": architecture == "m2m_100"}
        return Located(
            model.name, version, {"model_type": architecture, **sizes, **TINY[architecture]}, {}
        )
    folder = Path(model.name).expanduser()
    if folder.is_dir():
        return _in_folder(folder)
    if model.name.startswith((".", "/", "~")):
        raise UserError(f"model.name: there is no folder {folder}")
    return _on_hub(model.name, model.revision)


def _in_folder(folder: Path) -> Located:
    config = folder / "config.json"
    if not config.is_file():
        raise UserError(f"model.name: the folder {folder} holds no config.json")
    return Located(
        str(folder), _fingerprint(folder), _json(config), _json(folder / "tokenizer_config.json")
    )


def _fingerprint(folder: Path) -> str:
    """Print of a model folder: of each file the name, the size, and the content."""
    digest = hashlib.sha256()
    block = 1 << 20
    for path in sorted(folder.iterdir()):
        if not path.is_file():
            continue
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(block))
            file.seek(max(0, size - block))
            digest.update(file.read(block))
        if size > 2 * block:
            digest.update(_content(path))
    return digest.hexdigest()[:16]


def _content(path: Path) -> bytes:
    """Hash of a large file, kept as long as the system says that the file was not touched."""
    told = path.stat()
    key = [str(path.resolve()), told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino]
    kept = cache_dir() / "digests" / hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]
    with contextlib.suppress(OSError):
        if len(known := kept.read_bytes()) == hashlib.sha256().digest_size:
            return known
    with path.open("rb") as file:
        made = hashlib.file_digest(file, "sha256").digest()
    with contextlib.suppress(OSError):  # hashed again next time
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(made)
    return made


def _on_hub(name: str, revision: str | None) -> Located:
    # What the cache holds wins, so that a command names the same runs tomorrow and offline;
    # model.revision asks for another version.
    path = _cached(name, "config.json", revision) or _fetched(name, "config.json", revision)
    commit = path.parent.name
    try:
        tokenizer = _cached(name, "tokenizer_config.json", commit) or _fetched(
            name, "tokenizer_config.json", commit
        )
    except NoSuchFileError:
        tokenizer = Path()
    return Located(name, commit, _json(path), _json(tokenizer))


def _cached(name: str, file: str, revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, file, revision=revision)
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def _fetched(name: str, file: str, revision: str | None) -> Path:
    try:
        return fetched(name, file, revision, "model")
    except NoSuchFileError as error:
        raise NoSuchFileError(f"{error}: it is no transformers model") from error


def has_chat_template(located: Located, source: str) -> bool:
    """Whether a model is known to have a chat template, or not known to have none."""
    if source != "hub" or located.tokenizer_config.get("chat_template"):
        return True
    folder = Path(located.name)
    if folder.is_dir():
        return any((folder / name).exists() for name in _TEMPLATES)
    for name in _TEMPLATES[:2]:
        try:
            if _cached(located.name, name, located.revision) or _fetched(
                located.name, name, located.revision
            ):
                return True
        except NoSuchFileError:
            continue
        except UserError:
            return _cached(located.name, "tokenizer_config.json", located.revision) is None
    return False


_TEMPLATES = ("chat_template.jinja", "chat_template.json", "additional_chat_templates")
"""Files and folders that hold a chat template, apart from ``tokenizer_config.json``."""


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"model.name: {path} is no readable JSON ({error})") from error
    return value if isinstance(value, dict) else {}
