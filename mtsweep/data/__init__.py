"""The data layer: ``load`` takes a data section to the pairs of one run."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from mtsweep.config import DataConfig
from mtsweep.data import mix
from mtsweep.data.catalogs import read_gettext
from mtsweep.data.files import read_files
from mtsweep.data.hub import read_hub
from mtsweep.data.pairs import Corpus, Pair, Pool
from mtsweep.data.phrases import read_phrasebook
from mtsweep.data.split import Parts, split
from mtsweep.errors import UserError

READERS: dict[str, Callable[[DataConfig], Pool]] = {
    "phrasebook": read_phrasebook,
    "gettext": read_gettext,
    "files": read_files,
    "hub": read_hub,
}
"""``data.source`` to its reader; a mix reads through the readers of its parts."""

_PROBE = 1000


def load(config: DataConfig) -> Corpus:
    """The pairs of one run; runs of one process that differ in size alone read the source once.

    Raises:
        UserError: naming the key or file, if the data are not as the configuration says.
    """
    without = {"size": None, "synthetic_file": None, "synthetic_share": None}
    parts = _parts(config.model_copy(update=without))  # pyright: ignore[reportArgumentType] - frozen
    dropped, synthetic = parts.dropped, 0
    if config.synthetic_file is not None:
        whole = config.model_copy(update={"size": None, "synthetic_share": None})
        extra, left_out = _synthetic(whole)  # pyright: ignore[reportArgumentType] - frozen
        train, synthetic = mix.mixed(parts.train, extra, config.synthetic_share, config.size)
        dropped = {**dropped, **left_out}
    else:
        train = _prefix(parts, config.size)
    return Corpus(
        source_lang=config.source_lang,
        target_lang=config.target_lang,
        train=train,
        dev=parts.dev,
        test=parts.test,
        available=len(parts.train),
        longest_probe=parts.train[:_PROBE],
        dropped=dropped,
        synthetic=synthetic,
        provenance=parts.provenance,
    )


def _prefix(parts: Parts, size: int | None) -> tuple[Pair, ...]:
    wanted = size or len(parts.train)
    if wanted > len(parts.train):
        raise UserError(
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
    return Parts(train, dev, test, dropped, pool.provenance)


@lru_cache(maxsize=16)
def _synthetic(config: DataConfig) -> tuple[tuple[Pair, ...], dict[str, int]]:
    """The synthetic pairs beside a section's real ones."""
    without = {"synthetic_file": None, "synthetic_share": None}
    real = _parts(config.model_copy(update=without))  # pyright: ignore[reportArgumentType] - frozen
    return mix.read_synthetic(config, real)
