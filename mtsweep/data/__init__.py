"""The data layer: ``load`` takes a data section to the pairs of one run."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from mtsweep.config import DataConfig
from mtsweep.data.catalogs import read_gettext
from mtsweep.data.files import read_files
from mtsweep.data.pairs import Corpus, Pair, Pool
from mtsweep.data.phrases import read_phrasebook
from mtsweep.data.split import split
from mtsweep.errors import UserError

READERS: dict[str, Callable[[DataConfig], Pool]] = {
    "phrasebook": read_phrasebook,
    "gettext": read_gettext,
    "files": read_files,
}
"""``data.source`` to its reader."""

_PROBE = 1000


def load(config: DataConfig) -> Corpus:
    """The pairs of one run; runs of one process that differ in size alone read the source once.

    Raises:
        UserError: naming the key or file, if the data are not as the configuration says.
    """
    whole = config.model_copy(update={"size": None})
    train, dev, test, dropped = _parts(whole)  # pyright: ignore[reportArgumentType] - frozen
    size = config.size or len(train)
    if size > len(train):
        raise UserError(
            f"data.size: {size} pairs asked for, {len(train)} there "
            f"(after {len(test)} test and {len(dev)} dev pairs)"
        )
    return Corpus(
        source_lang=config.source_lang,
        target_lang=config.target_lang,
        train=train[:size],
        dev=dev,
        test=test,
        available=len(train),
        longest_probe=train[:_PROBE],
        dropped=dropped,
    )


Parts = tuple[tuple[Pair, ...], tuple[Pair, ...], tuple[Pair, ...], dict[str, int]]


@lru_cache(maxsize=16)
def _parts(config: DataConfig) -> Parts:
    pool = READERS[config.source](config)
    train, dev, test = split(pool, config.test_size, config.dev_size, config.split_seed)
    held_out = sum(len(part) for part, given in ((dev, pool.dev), (test, pool.test)) if not given)
    overlap = len(pool.train) - len(train) - held_out
    dropped = {**pool.dropped, **({"also in test or dev": overlap} if overlap else {})}
    return train, dev, test, dropped
