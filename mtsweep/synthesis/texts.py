"""Texts for a teacher that translates: training texts, or lines of a file; never a held-out one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mtsweep import data
from mtsweep.config import DataConfig, SynthesisConfig
from mtsweep.data.pairs import Corpus, fold
from mtsweep.errors import UserError


@dataclass(frozen=True)
class Texts:
    """What is to be translated."""

    texts: tuple[tuple[str, str], ...]
    """Each with its origin."""
    held_out: tuple[str, ...] = ()
    """Texts of dev or test that the file holds too; they are not translated."""


def find(section: DataConfig, wanted: SynthesisConfig, corpus: Corpus) -> Texts:
    """The texts that ``synthesis.text`` or ``synthesis.text_file`` names.

    Args:
        section: The data section of the real pairs.
        wanted: Direction and texts.
        corpus: What the section comes to.

    Raises:
        UserError: if the file cannot be read, or no texts are left.
    """
    if wanted.text_file is not None:
        return _of_file(Path(wanted.text_file).expanduser(), wanted, corpus)
    pairs = corpus.train
    if wanted.text == "rest":
        whole = data.load(section.model_copy(update={"size": None}))
        pairs = whole.train[len(corpus.train) :]
    forward = wanted.direction == "forward"
    texts = [(pair.source if forward else pair.target, pair.origin) for pair in pairs]
    if not texts:
        raise UserError(
            "synthesis.text: no texts are left to translate; text=rest needs a data.size below "
            "the number of training pairs"
        )
    return Texts(_distinct(texts))


def _of_file(path: Path, wanted: SynthesisConfig, corpus: Corpus) -> Texts:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"synthesis.text_file: {path}: {error}") from error
    side = "source" if wanted.direction == "forward" else "target"
    held = {fold(getattr(pair, side)) for pair in (*corpus.dev, *corpus.test)}
    texts = [(line.strip(), path.stem) for line in lines if line.strip()]
    kept = _distinct(each for each in texts if fold(each[0]) not in held)
    if not kept:
        told = "holds texts of dev and test alone" if texts else "is empty"
        raise UserError(f"synthesis.text_file: {path} {told}; there is nothing to translate")
    return Texts(kept, tuple(text for text, _ in texts if fold(text) in held))


def _distinct(texts: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The texts, each once: a teacher says the same to the same."""
    seen: dict[str, tuple[str, str]] = {}
    for text, origin in texts:
        seen.setdefault(fold(text), (text, origin))
    return tuple(seen.values())
