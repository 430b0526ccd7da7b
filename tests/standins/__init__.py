"""Small models under true names, laid out as a Hugging Face hub cache.

No model hub can be reached from the tests, yet production code says
``from_pretrained("meta-llama/Llama-3.2-1B")``. ``lay_out`` writes, for each such name, a
repository of the true architecture, tokenizer class and file set, only small and untrained; with
``HF_HUB_CACHE`` on that folder and ``HF_HUB_OFFLINE=1`` production code runs as it is. What a
name's true ``config.json``, ``generation_config.json`` and ``tokenizer_config.json`` say about
behaviour (sampling, beams, lengths, dtype, padded vocabularies) is repeated here, because those
defaults are what production code must cope with.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch

from . import causal, seq2seq
from .files import save_weights

Builder = Callable[[Path, Sequence[str]], None]
"""Writes a repository's configuration and tokenizer, trained on the texts, into a folder."""

BUILDERS: Mapping[str, Builder] = {
    "meta-llama/Llama-3.2-1B": causal.llama_base,
    "unsloth/Llama-3.2-3B-Instruct": causal.llama_instruct,
    "Qwen/Qwen2-1.5B": causal.qwen2,
    "facebook/nllb-200-distilled-600M": seq2seq.nllb,
    "facebook/m2m100_418M": seq2seq.m2m100,
    "Helsinki-NLP/opus-mt-en-de": seq2seq.marian_single,
    "Helsinki-NLP/opus-mt-en-mul": seq2seq.marian_multiple,
    "facebook/mbart-large-50-many-to-many-mmt": seq2seq.mbart50,
    "google-t5/t5-small": seq2seq.t5,
}
NAMES: tuple[str, ...] = tuple(BUILDERS)


def revision_of(name: str, revision_salt: str = "") -> str:
    """Return the commit (40 hex digits) under which ``name`` is laid out."""
    return hashlib.sha1(f"{name}@{revision_salt}".encode(), usedforsecurity=False).hexdigest()


def lay_out(
    hub_cache: Path,
    names: Iterable[str] = NAMES,
    *,
    texts: Sequence[str],
    revision_salt: str = "",
) -> dict[str, Path]:
    """Put the stand-ins of ``names`` into a hub cache; what is there already is not built again.

    Args:
        hub_cache: The folder for ``HF_HUB_CACHE``; made where it is missing.
        names: Repository names out of ``NAMES``; each costs a fraction of a second.
        texts: Sentences on which the tokenizers are trained, a few hundred in all languages.
        revision_salt: Another salt gives another commit with other weights, and ``main`` moves
            to it, as if the repository had been updated.

    Returns:
        The snapshot folder of each name.
    """
    return {name: _lay_out_one(hub_cache, name, texts, revision_salt) for name in names}


def _lay_out_one(hub_cache: Path, name: str, texts: Sequence[str], revision_salt: str) -> Path:
    """Lay out one repository: ``blobs``, ``refs/main`` and the files under ``snapshots``."""
    commit = revision_of(name, revision_salt)
    repository = hub_cache / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / commit
    for folder in (repository / "blobs", repository / "refs", snapshot.parent):
        folder.mkdir(parents=True, exist_ok=True)
    if not snapshot.exists():
        _build(name, texts, seed=int(commit[:8], 16), snapshot=snapshot)
    main = repository / "refs" / "main"
    if not main.exists() or main.read_text(encoding="utf-8") != commit:
        draft = main.with_name(f"main.{os.getpid()}")
        draft.write_text(commit, encoding="utf-8")
        draft.replace(main)
    return snapshot


def _build(name: str, texts: Sequence[str], seed: int, snapshot: Path) -> None:
    """Build a repository beside its place and move it in whole, safe among parallel tests."""
    with tempfile.TemporaryDirectory(dir=snapshot.parent.parent) as draft:
        folder = Path(draft) / "files"
        folder.mkdir()
        BUILDERS[name](folder, texts)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            save_weights(folder)
        try:
            folder.rename(snapshot)
        except OSError:
            if not snapshot.exists():  # otherwise another process was first
                raise
