"""Data sets of the Hugging Face hub, read through ``datasets`` at a commit that is recorded.

What the hub cache holds wins, so that a command names the same runs tomorrow and offline;
``data.revision`` asks for another version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtsweep.config import DataConfig
from mtsweep.data.columns import maker
from mtsweep.data.pairs import Pair, Pool, fold
from mtsweep.data.rows import Row
from mtsweep.data.tally import Tally, sampled
from mtsweep.errors import UserError
from mtsweep.hub import fetched

_DEV, _TEST = ("validation", "dev", "valid", "val"), ("test", "devtest")
_SHARD = re.compile(r"^(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})(?P<rest>\..+)$")


def read_hub(config: DataConfig) -> Pool:
    """Pairs or conversations of ``data.dataset``; its own splits are kept where it has them.

    Raises:
        UserError: naming the key, if data set, config, split or column are not there.
    """
    tally = Tally(strict=config.strict)
    name = str(config.dataset)
    place, commit = locate(name, config.revision)
    joined = config.id_column is not None
    sides = [config.source_lang, config.target_lang] if joined else [config.config]
    splits = [_splits(place, commit, name, side) for side in sides]
    names = _chosen(config, list(splits[0]))
    train: Sequence[Pair] = ()
    held_out: dict[str, tuple[Pair, ...]] = {}
    for part, split in names.items():
        where = f"data.dataset: {name}, {part} split {split!r}"
        if joined:
            pairs = _joined(splits[0][split], splits[1][split], config, where)
        else:
            rows = (Row(number, row) for number, row in enumerate(splits[0][split], start=1))
            pairs = tally.pairs(rows, maker(config), where, f"{name}:{split}", name)
        if part == "train":
            found = train = sampled(pairs, config.sample, config.split_seed)
        else:
            found = held_out[part] = tuple(pairs)
        if not found:
            raise UserError(f"{where}: holds no pairs")
    subset = f" {config.config}" if config.config else ""
    at = f" at {commit}" if commit else ""
    return Pool(
        train,
        held_out.get("dev"),
        held_out.get("test"),
        dict(tally.dropped),
        tally.left_out,
        provenance=(f"{name}{subset}{at} ({', '.join(names.values())})",),
        malformed=tuple(tally.malformed),
    )


def _chosen(config: DataConfig, there: list[str]) -> dict[str, str]:
    """Part to split: as configured, else by the usual names.

    Raises:
        UserError: if a split that was asked for is not there.
    """
    found = {"train": config.train_split}
    for part, given, usual in (
        ("dev", config.dev_split, _DEV),
        ("test", config.test_split, _TEST),
    ):
        free = [name for name in usual if name in there and name not in found.values()]
        free = free if config.own_splits else []
        if given or free:
            found[part] = given or free[0]
    for part, split in found.items():
        if split not in there:
            raise UserError(
                f"data.{part}_split: {config.dataset} has no split {split!r}; "
                f"it has: {', '.join(there)}"
            )
    return found


def _joined(
    source: Iterable[Mapping[str, Any]],
    target: Iterable[Mapping[str, Any]],
    config: DataConfig,
    where: str,
) -> Iterator[Pair]:
    """Pairs of rows with one id, in the order of the source."""
    key, text = str(config.id_column), config.source_column or "text"
    other = config.target_column or config.source_column or "text"
    row: Mapping[str, Any] = {}
    try:
        translations = {}
        for row in target:
            translations[row[key]] = row[other]
        for row in source:
            if row[key] in translations:
                said = row[text]
                origin = str(row.get("domain") or config.dataset)
                yield Pair(f"{row[key]}", said, translations[row[key]], origin, fold(said))
    except KeyError as error:
        raise UserError(
            f"{where}: no column {error}; there are: {', '.join(sorted(map(str, row)))}; "
            "set data.id_column, data.source_column, data.target_column"
        ) from error


def locate(name: str, revision: str | None) -> tuple[str, str]:
    """What ``load_dataset`` is given for a data set, and its commit; a folder has none.

    Raises:
        UserError: with the remedy, if it is missing, gated, or out of reach.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder), ""
    if name.startswith((".", "/", "~")):
        raise UserError(f"data.dataset: there is no folder {folder}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        cached = snapshot_download(
            name, repo_type="dataset", revision=revision, local_files_only=True
        )
    except HFValidationError as error:
        raise UserError(
            f"data.dataset: {name!r} is neither a folder nor a name like owner/name"
        ) from error
    except LocalEntryNotFoundError:
        # Every repository has this file; fetching it notes which commit the revision is.
        return name, fetched(name, ".gitattributes", revision, "dataset").parent.name
    return cached, Path(cached).name


def _splits(
    place: str, commit: str, name: str, config: str | None
) -> Mapping[str, Iterable[Mapping[str, Any]]]:
    """Splits of a data set, each with its rows; read as they are asked for.

    Raises:
        UserError: naming the key, if the config is not there, or files are missing.
    """
    import datasets
    from datasets.exceptions import DataFilesNotFoundError, DatasetsError

    datasets.disable_progress_bars()
    on_disk = Path(place).is_dir()
    try:
        if on_disk and commit:
            try:
                _whole(Path(place), config)
                return datasets.load_dataset(place, config, streaming=True)  # type: ignore[return-value]
            except (FileNotFoundError, DataFilesNotFoundError, _PartlyError):
                place = name  # the cache holds this commit in parts: fetch the rest
        return datasets.load_dataset(  # type: ignore[return-value]
            place, config, revision=commit or None, streaming=on_disk and not commit
        )
    except (ValueError, OSError, DatasetsError) as error:
        told = str(error)
        listed = re.search(r"\[[^\]]*\]", told)
        if "config" in told.lower() and listed:
            raise UserError(
                f"data.config: {name} has no config {config!r}; it has: {listed[0].strip('[]')}"
            ) from error
        raise UserError(f"data.dataset: {name} cannot be read ({told})") from error


class _PartlyError(Exception):
    """The hub cache holds only some of the files of a split."""


def _whole(folder: Path, config: str | None) -> None:
    """See that of every numbered series of files all are there."""
    series: dict[tuple[str, str], int] = {}
    for path in folder.rglob("*"):
        if found := _SHARD.match(path.relative_to(folder).as_posix()):
            key = found["stem"] + found["rest"], found["count"]
            series[key] = series.get(key, 0) + 1
    if any(count < int(total) for (_, total), count in series.items()):
        raise _PartlyError(config)
