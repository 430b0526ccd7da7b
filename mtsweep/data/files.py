"""Pairs from JSONL files: ``{"source": …, "target": …}``, or ``{"translation": {"en": …, …}}``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtsweep import languages
from mtsweep.config import DataConfig
from mtsweep.data.pairs import Pair, Pool, fold
from mtsweep.errors import UserError


def read_files(config: DataConfig) -> Pool:
    """The pairs of ``data.train_file`` and, where given, of the dev and test files.

    Raises:
        UserError: naming file and line, if a file is missing, empty, not UTF-8, or not as expected.
    """
    dropped: Counter[str] = Counter()
    parts: dict[str, tuple[Pair, ...] | None] = {}
    for part in ("train", "dev", "test"):
        name = getattr(config, f"{part}_file")
        parts[part] = (
            None if name is None else _read(Path(name).expanduser(), part, config, dropped)
        )
    return Pool(parts["train"] or (), parts["dev"], parts["test"], dict(dropped))


def _read(path: Path, part: str, config: DataConfig, dropped: Counter[str]) -> tuple[Pair, ...]:
    key = f"data.{part}_file"
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "does not exist"
        raise UserError(f"{key}: {path} {kind} (looked from {Path.cwd()})")
    pairs = []
    for number, row in _rows(path, key):
        where = f"{key}: {path}, line {number}"
        source, target = _texts(row, config, where)
        if not source.strip() or not target.strip():
            dropped["empty"] += 1
            continue
        pairs.append(Pair(f"{path.name}:{number}", source, target, path.stem, fold(source)))
    if not pairs:
        raise UserError(f"{key}: {path} holds no pairs; expected one JSON object a line")
    return tuple(pairs)


def _rows(path: Path, key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, start=1):
            where = f"{key}: {path}, line {number}"
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{where}: not UTF-8 ({error.reason} at byte {error.start}); "
                    "convert it, for example with iconv -t UTF-8"
                ) from error
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise UserError(f"{where}: not JSON ({error})") from error
            if not isinstance(row, dict):
                raise UserError(f"{where}: expected a JSON object, found {type(row).__name__}")
            yield number, row


def _texts(row: dict[str, Any], config: DataConfig, where: str) -> tuple[str, str]:
    nested = row.get("translation")
    if isinstance(nested, dict):
        sides = (
            _nested(nested, config.source_lang, config.source_column),
            _nested(nested, config.target_lang, config.target_column),
        )
        columns = sorted(nested)
    else:
        sides = (
            row.get(config.source_column or "source"),
            row.get(config.target_column or "target"),
        )
        columns = sorted(row)
    source, target = sides
    if not isinstance(source, str) or not isinstance(target, str):
        raise UserError(
            f"{where}: expected text under {config.source_column or 'source'!r} and "
            f"{config.target_column or 'target'!r}, or "
            f'{{"translation": {{"{languages.iso(config.source_lang)}": …, '
            f'"{languages.iso(config.target_lang)}": …}}}}; found {", ".join(columns) or "nothing"}'
            " (name others with data.source_column and data.target_column)"
        )
    try:
        (source + target).encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{where}: half of a surrogate pair (\\u{ord(error.object[error.start]):04x}), which "
            "is no character; the program that wrote the file cut an emoji in two"
        ) from error
    return source, target


def _nested(row: dict[str, Any], language: str, column: str | None) -> object:
    iso639_3 = language.partition("_")[0]
    names = [column] if column else [language, languages.iso(language), iso639_3]
    return next((row[name] for name in names if name in row), None)
