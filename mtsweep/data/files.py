"""Pairs and conversations from files: JSONL, JSON, CSV, TSV, Moses, TMX, PO and MO."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from mtsweep import languages
from mtsweep.config import DataConfig
from mtsweep.config.data import Format
from mtsweep.data.catalogs import entries
from mtsweep.data.columns import maker
from mtsweep.data.pairs import Pair, Pool
from mtsweep.data.rows import COMPRESSED, READERS, Rows, bare, moses
from mtsweep.data.tally import Tally, sampled
from mtsweep.data.tmx import read_tmx
from mtsweep.errors import UserError


def read_files(config: DataConfig) -> Pool:
    """The pairs of ``data.train_file`` and, where given, of the dev and test files.

    Raises:
        UserError: naming file and line, if a file is missing, empty, not UTF-8, or not as expected.
    """
    tally = Tally(strict=config.strict)
    train: Sequence[Pair] = ()
    held_out: dict[str, tuple[Pair, ...]] = {}
    provenance = []
    for part in ("train", "dev", "test"):
        name = getattr(config, f"{part}_file")
        if name is None:
            continue
        provenance.append(f"{part}: {name}")
        found = read_file(
            Path(name).expanduser(), f"data.{part}_file", config, tally, train=part == "train"
        )
        if part == "train":
            train = found
        else:
            held_out[part] = tuple(found)
    return Pool(
        train,
        held_out.get("dev"),
        held_out.get("test"),
        dict(tally.dropped),
        tally.left_out,
        provenance=tuple(provenance),
        malformed=tuple(tally.malformed),
    )


def read_file(
    path: Path, key: str, config: DataConfig, tally: Tally, *, train: bool = False
) -> Sequence[Pair]:
    """The pairs of one file.

    Args:
        path: Of the file; of two Moses files, one of them or their common stem.
        key: Configuration key that names it, for complaints.
        config: How it is read.
        tally: Counts what is left out.
        train: Take ``data.sample`` rows at most; what memory has no room for lies on disk, in
            the order of the split.

    Raises:
        UserError: naming file and line.
    """
    kind = _format(path, config)
    sides = _moses_sides(path, config) if kind == "moses" else None
    if sides is None and not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise UserError(f"{key}: {path} {what} (looked from {Path.cwd()})")
    try:
        rows = moses(*sides) if sides else _rows(path, kind, config)
        stem = bare(path).stem if kind != "moses" else bare(path).name
        pairs = tally.pairs(rows, maker(config), f"{key}: {path}", path.name, stem)
        found = sampled(pairs, config.sample, config.split_seed) if train else tuple(pairs)
    except UserError as error:
        raise error if str(error).startswith("data.") else UserError(f"{key}: {error}") from error
    if not found:
        expected = "one JSON object a line" if kind == "jsonl" else f"{kind.upper()} with text"
        raise UserError(f"{key}: {path} holds no pairs; expected {expected}")
    return found


def paths(config: DataConfig) -> list[Path]:
    """Every file that a section reads, whether or not it is there."""
    found: list[Path] = []
    for part in ("train", "dev", "test"):
        if (name := getattr(config, f"{part}_file")) is not None:
            path = Path(name).expanduser()
            sides = _moses_sides(path, config) if _format(path, config) == "moses" else None
            found.extend(sides or (path,))
    return found


def _rows(path: Path, kind: str, config: DataConfig) -> Rows:
    if kind == "tmx":
        return read_tmx(path, config.source_lang, config.target_lang)
    if kind in {"po", "mo"}:
        return entries(path, config.source_lang, config.target_lang)
    return READERS[kind](path)


def _format(path: Path, config: DataConfig) -> str:
    if config.format:
        return config.format
    suffix = bare(path).suffix.lower().removeprefix(".")
    suffix = {"ndjson": "jsonl", "tab": "tsv", "pot": "po", "gmo": "mo"}.get(suffix, suffix)
    if suffix in get_args(Format):
        return suffix
    return "moses" if _moses_sides(path, config) else "jsonl"


def _moses_sides(path: Path, config: DataConfig) -> tuple[Path, Path] | None:
    """The two files of a Moses pair, by one of them or by their common stem."""
    codes = [
        (code, languages.iso(code), code.partition("_")[0])
        for code in (config.source_lang, config.target_lang)
    ]
    stem = bare(path)
    if stem.suffix.removeprefix(".") in {code for side in codes for code in side}:
        stem = stem.with_suffix("")
    found = []
    for side in codes:
        tried = [
            stem.with_name(f"{stem.name}.{code}{packed}")
            for code in side
            for packed in ("", *COMPRESSED)
        ]
        found.append(next((file for file in tried if file.is_file()), None))
    source, target = found
    return (source, target) if source and target else None
