"""Several sources in one corpus: parts by share, and synthetic pairs beside real ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mtsweep.config import DataConfig
from mtsweep.data.files import read_file
from mtsweep.data.pairs import EXAMPLES, Examples, Pair, fold
from mtsweep.data.spill import one_behind_other
from mtsweep.data.split import Parts, in_hash_order
from mtsweep.data.tally import Tally
from mtsweep.errors import UserError


def combined(config: DataConfig, read: Callable[[DataConfig], Parts]) -> Parts:
    """The parts of ``data.mix``, each split by itself, so that every part is tested on its own.

    Args:
        config: The section; its ``mix`` has a source or more.
        read: Reads and splits one source.

    Raises:
        UserError: if a part is not as configured.
    """
    parts = []
    for place, part in enumerate(config.mix):
        try:
            found = read(config.part(part))
        except UserError as error:
            raise UserError(f"data.mix[{place}]: {error}") from error
        found = found.renamed(part.name) if part.name else found
        if len(config.language_pairs) > 1:
            own = config.part(part)
            found = found.spoken((own.source_lang, own.target_lang))
        parts.append(found)
    sizes = _sizes([len(part.train) for part in parts], [part.share for part in config.mix])
    beyond = sum(len(part.train) for part in parts) - sum(sizes)
    dev = tuple(pair for part in parts for pair in part.dev)
    test = tuple(pair for part in parts for pair in part.test)
    held_out = {pair.split_key for pair in (*dev, *test)}
    train = in_hash_order(
        (pair for part, size in zip(parts, sizes, strict=True) for pair in part.train[:size]
         if pair.split_key not in held_out),
        config.split_seed,
    )  # fmt: skip
    dropped = sum((Counter(part.dropped) for part in parts), Counter())
    if beyond:
        dropped["beyond its share"] = beyond
    if len(train) < sum(sizes):
        dropped["also in test or dev"] += sum(sizes) - len(train)
    return Parts(
        train,
        dev,
        test,
        dict(dropped),
        _examples(parts),
        tuple(line for part in parts for line in part.provenance),
        malformed=tuple(line for part in parts for line in part.malformed),
    )


def _examples(parts: Sequence[Parts]) -> Examples:
    """The first of each reason, over all parts."""
    found: Examples = {}
    for part in parts:
        for reason, some in part.left_out.items():
            found[reason] = (*found.get(reason, ()), *some)[:EXAMPLES]
    return found


def _sizes(there: Sequence[int], shares: Sequence[float | None]) -> list[int]:
    """Rows to take of each part: all of them, or by shares as many as the scarcest allows."""
    total = min((n / share for n, share in zip(there, shares, strict=True) if share), default=0.0)
    return [
        n if share is None else min(n, round(share * total))
        for n, share in zip(there, shares, strict=True)
    ]


def read_synthetic(config: DataConfig, real: Parts) -> Parts:
    """The pairs of ``data.synthetic_file``, without those that repeat a held-out text.

    Returns:
        Pairs in hash order as training pairs, beside the dev and test pairs of the real ones.

    Raises:
        UserError: if the file or folder is not there, or not as expected; under
            ``data.leaks=error`` also if a pair repeats a held-out text.
    """
    path = Path(str(config.synthetic_file)).expanduser()
    path = path / "pairs.jsonl" if path.is_dir() else path
    if not path.exists():
        raise UserError(
            f"data.synthetic_file: {path} does not exist; `python -m mtsweep synthesize` writes "
            "such a folder (see its --help)"
        )
    tally = Tally(strict=config.strict)
    plain = config.model_copy(
        update={
            "sample": None, "format": None, "source_column": None, "target_column": None,
            "form": "pairs",
        }
    )  # fmt: skip
    found = read_file(path, "data.synthetic_file", plain, tally, train=True)
    held_out = (*real.dev, *real.test)
    sources = {fold(pair.source) for pair in held_out}
    targets = {fold(pair.target) for pair in held_out}
    repeated: list[Pair] = []

    def kept() -> Iterator[Pair]:
        for pair in found:
            if fold(pair.source) in sources or fold(pair.target) in targets:
                repeated.append(pair)
            else:
                yield pair

    train = in_hash_order(kept(), config.split_seed)
    if repeated and config.leaks == "error":
        raise UserError(
            f"data.leaks: {len(repeated)} synthetic pairs repeat a dev or test pair, the first is "
            f"{repeated[0].id}; data.leaks=remove takes them out of the training pairs"
        )
    dropped = Counter({f"synthetic: {reason}": count for reason, count in tally.dropped.items()})
    if repeated:
        dropped["synthetic: also in test or dev"] = len(repeated)
    left_out = {f"synthetic: {reason}": some for reason, some in tally.left_out.items()}
    malformed = tuple(tally.malformed)
    return Parts(train, real.dev, real.test, dict(dropped), left_out, malformed=malformed)


def mixed(
    real: Sequence[Pair], synthetic: Sequence[Pair], share: float | None, size: int | None
) -> tuple[Sequence[Pair], int]:
    """Real and synthetic training pairs in the share asked for, each a prefix of its kind.

    Args:
        real: Real training pairs.
        synthetic: Synthetic ones.
        share: Of synthetic pairs; ``None`` takes every pair of both.
        size: Training pairs in all; ``None`` takes all real pairs, and synthetic ones beside them.

    Returns:
        The pairs, real ones first, and how many of them are synthetic.

    Raises:
        UserError: if there are fewer pairs than that takes.
    """
    if share is None:
        whole = len(real) + len(synthetic)
        wanted = size or whole
        few = round(wanted * len(synthetic) / whole)
        many = wanted - few
    elif size is not None:
        few, many = round(share * size), size - round(share * size)
    elif share == 1:
        few, many = len(synthetic), 0
    else:
        few, many = round(share / (1 - share) * len(real)), len(real)
    for name, count, there in (("synthetic", few, synthetic), ("real", many, real)):
        if count > len(there):
            raise UserError(
                f"data.synthetic_share: it takes {count} {name} pairs, and there are {len(there)}; "
                "lower data.size or change the share"
            )
    return one_behind_other(real[:many], synthetic[:few]), few
