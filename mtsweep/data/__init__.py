"""The data layer: ``load`` takes a data section to the pairs of one run.

Read, split, clean, take leaks out, take a share and a size: in this order, so that the test set is
the same for every cleaning, share and size, and a smaller size is inside a larger one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial

from mtsweep.config import DataConfig
from mtsweep.config.data import CLEANING
from mtsweep.data import mix, prepared
from mtsweep.data.catalogs import read_gettext
from mtsweep.data.clean import cleaned
from mtsweep.data.files import read_files
from mtsweep.data.hub import read_hub
from mtsweep.data.leaks import without_leaks
from mtsweep.data.pairs import Corpus, Pair, Pool, digest
from mtsweep.data.phrases import read_phrasebook
from mtsweep.data.shelf import Shelf
from mtsweep.data.split import Parts, split
from mtsweep.errors import TooFewPairsError, UserError

READERS: dict[str, Callable[[DataConfig], Pool]] = {
    "phrasebook": read_phrasebook,
    "gettext": read_gettext,
    "files": read_files,
    "hub": read_hub,
}
"""``data.source`` to its reader; a mix reads through the readers of its parts."""

_PROBE = 1000


def load(config: DataConfig) -> Corpus:
    """The pairs of one run.

    Runs of one process that differ in size alone read the source once; runs of one section share
    one corpus, whose fingerprints are taken once.

    Raises:
        UserError: naming the key or file, if the data are not as the configuration says.
    """
    return _corpus(config)  # pyright: ignore[reportArgumentType] - frozen


@lru_cache(maxsize=16)
def _corpus(config: DataConfig) -> Corpus:
    without = {"size": None, "synthetic_file": None, "synthetic_share": None, "size_counts": "all"}
    parts = _clean(config.model_copy(update=without))  # pyright: ignore[reportArgumentType] - frozen
    dropped, synthetic, there = parts.dropped, 0, 0
    if config.synthetic_file is not None:
        unsized = {"size": None, "synthetic_share": None, "size_counts": "all"}
        whole = config.model_copy(update=unsized)
        made = _synthetic(whole)  # pyright: ignore[reportArgumentType] - frozen
        real, size = parts.train, config.size
        if config.size_counts == "real":
            real, size = _prefix(parts, size), None
        train, synthetic = mix.mixed(real, made.train, config.synthetic_share, size)
        dropped, there = {**dropped, **made.dropped}, len(made.train)
        parts = replace(
            parts,
            steps=parts.steps + made.steps,
            leaks=parts.leaks + made.leaks,
            malformed=parts.malformed + made.malformed,
            left_out={**parts.left_out, **made.left_out},
        )
    else:
        train = _prefix(parts, config.size)
    if isinstance(train, Shelf):
        train.again = partial(remade, config)
    return Corpus(
        source_lang=config.source_lang,
        target_lang=config.target_lang,
        train=train,
        dev=parts.dev,
        test=parts.test,
        available=len(parts.train),
        longest_probe=tuple(parts.train[:_PROBE]),
        dropped=dropped,
        left_out=parts.left_out,
        synthetic=synthetic,
        synthetic_available=there,
        provenance=parts.provenance,
        steps=parts.steps,
        leaks=parts.leaks,
        malformed=parts.malformed,
    )


def remade(config: DataConfig, wanted: str) -> Sequence[Pair]:
    """The training pairs of a section as another process had them, out of what it kept, or anew.

    Args:
        config: The section.
        wanted: Digest of the pairs.

    Raises:
        UserError: if they come to something else here.
    """
    train = load(config).train
    if digest(train) != wanted:
        raise UserError(
            f"data: {config.name} has other training pairs than when the command began; give the "
            "command again where its files are as they were"
        )
    return train


def _prefix(parts: Parts, size: int | None) -> Sequence[Pair]:
    wanted = size or len(parts.train)
    if wanted > len(parts.train):
        raise TooFewPairsError(
            f"data.size: {wanted} pairs asked for, {len(parts.train)} there "
            f"(after {len(parts.test)} test and {len(parts.dev)} dev pairs)"
        )
    return parts.train[:wanted]


@lru_cache(maxsize=16)
def _parts(config: DataConfig) -> Parts:
    """The source of a section, read and split."""
    if config.source == "combined":
        return mix.combined(config, _parts)  # pyright: ignore[reportArgumentType] - frozen
    pool = READERS[config.source](config)
    train, dev, test = split(pool, config.test_size, config.dev_size, config.split_seed)
    held_out = sum(len(part) for part, given in ((dev, pool.dev), (test, pool.test)) if not given)
    overlap = len(pool.train) - len(train) - held_out
    dropped = {**pool.dropped, **({"also in test or dev": overlap} if overlap else {})}
    return Parts(
        train, dev, test, dropped, pool.left_out, pool.provenance, malformed=pool.malformed
    )


@lru_cache(maxsize=16)
def _clean(config: DataConfig) -> Parts:
    """The source of a section, read, split, cleaned, and without leaks."""

    def make() -> Parts:
        parts = _parts(_uncleaned(config))  # pyright: ignore[reportArgumentType] - frozen
        return _without_leaks(_cleaned(parts, config), config)

    return prepared.kept(config, "real", make)


def _uncleaned(config: DataConfig) -> DataConfig:
    """What reading and splitting depend on: sections that differ in the rest read once."""
    shown = {name: DataConfig.model_fields[name].default for name in CLEANING}
    return config.model_copy(update=shown)


@lru_cache(maxsize=16)
def _synthetic(config: DataConfig) -> Parts:
    """The synthetic pairs beside a section's real ones, cleaned, as the training pairs of parts."""
    without = {"synthetic_file": None, "synthetic_share": None}
    real = _clean(config.model_copy(update=without))  # pyright: ignore[reportArgumentType] - frozen

    def make() -> Parts:
        made = _cleaned(mix.read_synthetic(config, real), config, "synthetic: ")
        return _without_leaks(made, config, "synthetic: ")

    return prepared.kept(config, "synthetic", make)


def _cleaned(parts: Parts, config: DataConfig, of: str = "") -> Parts:
    train, steps = cleaned(parts.train, parts.dev + parts.test, config)
    if not train:
        told = ", ".join(f"{step.name} {step.dropped}" for step in steps if step.dropped)
        raise UserError(
            f"data.clean: nothing is left to train on, of {len(parts.train)} pairs ({told}); "
            "take a step out of data.clean, or widen its bound"
        )
    dropped = Counter(parts.dropped)
    for step in steps:
        dropped[of + step.name] += step.dropped
    return replace(
        parts,
        train=train,
        dropped={reason: count for reason, count in dropped.items() if count},
        steps=tuple(replace(step, name=of + step.name) for step in steps),
    )


def _without_leaks(parts: Parts, config: DataConfig, of: str = "") -> Parts:
    if config.leaks == "keep":
        return parts
    train, leaks = without_leaks(parts.train, parts.dev + parts.test, config.leak_similarity)
    if not leaks:
        return parts
    first = leaks[0]
    if config.leaks == "error":
        raise UserError(
            f"data.leaks: {len(leaks)} training pairs repeat a dev or test pair; {first.train} "
            f"has the {first.side} of {first.held_out} (similarity {first.similarity:g}); "
            "data.leaks=remove takes them out of the training pairs"
        )
    if not train:
        raise UserError("data.leaks: every training pair repeats a dev or test pair")
    dropped = {**parts.dropped, f"{of}leak": len(leaks)}
    return replace(parts, train=train, dropped=dropped, leaks=tuple(leaks))
