"""Artefacts for CTranslate2: the merged model, converted by the library's own converter."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mtsweep.errors import RunFailedError, UserError
from mtsweep.export import weights
from mtsweep.export.source import Source
from mtsweep.serve.ctranslate import needed

ARCHITECTURES = frozenset({"llama", "qwen2", "marian", "m2m_100", "mbart", "t5"})
"""``model_type`` of what was converted and checked; NLLB is an ``m2m_100``."""


def refuse(source: Source) -> None:
    """Say what cannot be converted, before a model is loaded.

    Raises:
        MissingExtraError: if the library is not installed.
        UserError: if it does not know the architecture.
    """
    needed("CTranslate2's form of a model")
    kind = str(source.located.config.get("model_type"))
    if kind not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise UserError(
            f"CTranslate2: {source.base_name} is of the architecture {kind}; "
            f"there are {known}; --format merged takes any"
        )


def convert(source: Source, folder: Path, quantise: str | None, say: Callable[[str], None]) -> None:
    """Write a run's model as CTranslate2 reads it, with tokenizer and search settings.

    Raises:
        RunFailedError: if the converter refuses the model, with its reason.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-") as place:
        whole = Path(place)
        weights.merged(source, whole, say)
        of_whole(whole, folder, quantise)


def of_whole(whole: Path, folder: Path, quantise: str | None) -> None:
    """Convert a folder of transformers; tokenizer and search settings are copied.

    Raises:
        RunFailedError: if the converter refuses the model, with its reason.
    """
    from ctranslate2.converters import TransformersConverter

    converter: Any = TransformersConverter(str(whole), low_cpu_mem_usage=True)
    try:
        converter.convert(str(folder), quantization=quantise, force=True)
    except (ValueError, NotImplementedError, RuntimeError, KeyError, AttributeError) as error:
        raise RunFailedError(f"CTranslate2's converter refuses the model: {error}") from error
    for path in whole.iterdir():
        if path.suffix != ".safetensors" and not (folder / path.name).exists():
            shutil.copyfile(path, folder / path.name)
