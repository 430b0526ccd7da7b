"""Artefacts for llama.cpp: the merged model, converted by llama.cpp's own script."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from mtsweep.errors import RunFailedError, UserError
from mtsweep.export import weights
from mtsweep.export.source import Source

SCRIPT = "convert_hf_to_gguf.py"
MODEL = "model.gguf"
"""File of the folder with weights, vocabulary and sizes."""
_TYPES = {"torch.float32": "f32", "torch.bfloat16": "bf16", "torch.float16": "f16"}
_SECONDS = 3600
_TOLD = 5


def refuse(source: Source, given: Path | None) -> None:
    """Say what cannot be converted, before a model is loaded.

    Raises:
        UserError: if the model is no decoder-only one, or the converter is not found.
    """
    if source.config.model.kind != "causal":
        raise UserError(
            f"--format gguf: {source.base_name} is an encoder-decoder; take ctranslate2 or merged"
        )
    converter(given)


def converter(given: Path | None) -> Path:
    """Llama.cpp's script: as given, in ``$LLAMA_CPP`` (a file or a folder), or on the path.

    Raises:
        UserError: if it is in none of them.
    """
    if given is not None:
        if not given.is_file():
            raise UserError(f"--converter {given}: there is no such file")
        return given
    home = os.environ.get("LLAMA_CPP")
    places = [Path(home), Path(home) / SCRIPT] if home else []
    places += [Path(each) / SCRIPT for each in os.environ.get("PATH", "").split(os.pathsep) if each]
    for place in places:
        if place.is_file():
            return place
    raise UserError(
        f"--format gguf: llama.cpp's {SCRIPT} was not found; get llama.cpp "
        "(https://github.com/ggml-org/llama.cpp) and name its folder with the environment variable "
        "LLAMA_CPP, or the script with --converter"
    )


def convert(
    source: Source,
    folder: Path,
    quantise: str | None,
    script: Path,
    say: Callable[[str], None],
) -> None:
    """Write a run's model as one GGUF file, with tokenizer and search settings beside it.

    Raises:
        RunFailedError: if the script fails, with the last that it said.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-") as place:
        whole = Path(place)
        weights.merged(source, whole, say)
        kind = "q8_0" if quantise else _TYPES.get(str(weights.precision(source)), "f32")
        _run(script, whole, folder / MODEL, kind)
        for path in whole.iterdir():
            if path.suffix != ".safetensors" and path.name != "config.json":
                shutil.copyfile(path, folder / path.name)


def _run(script: Path, whole: Path, file: Path, kind: str) -> None:
    command = [sys.executable, str(script), str(whole), "--outfile", str(file), "--outtype", kind]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunFailedError(f"{script}: {error}") from error
    if done.returncode or not file.is_file():
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise RunFailedError(
            f"{script} ended with exit code {done.returncode}:\n  " + "\n  ".join(said[-_TOLD:])
        )
