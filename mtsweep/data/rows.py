"""Files to rows: every format, every compression, a line at a time.

A row that cannot be read is told by its line and its reason; whether it is counted or ends the
reading is for the caller to say.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from mtsweep.errors import MissingExtraError, UserError


@dataclass(frozen=True, slots=True)
class Row:
    """Values by column name."""

    number: int
    """Line, or unit, of the file; from 1."""
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Malformed:
    """A row that cannot be read."""

    number: int
    reason: str


Rows = Iterator[Row | Malformed]


def opened(path: Path) -> IO[bytes]:
    """A file for reading, decompressed by its suffix.

    Raises:
        UserError: if it cannot be opened, or its compression needs a package.
    """
    try:
        if path.suffix == ".gz":
            return cast("IO[bytes]", gzip.open(path, "rb"))
        if path.suffix == ".xz":
            return lzma.open(path, "rb")
        if path.suffix == ".bz2":
            return bz2.open(path, "rb")
        if path.suffix == ".zst":
            return _zstandard(path)
        return path.open("rb")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error


def _zstandard(path: Path) -> IO[bytes]:
    try:
        import zstandard
    except ImportError as error:
        raise MissingExtraError("A .zst file", "zstandard", "zst") from error
    # The reader itself has no lines; a buffer over it does.
    stream = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), closefd=True)
    return io.BufferedReader(cast("io.RawIOBase", stream))


COMPRESSED = (".gz", ".xz", ".bz2", ".zst")


def bare(path: Path) -> Path:
    """The path without a suffix of compression."""
    return path.with_suffix("") if path.suffix in COMPRESSED else path


def raw_lines(path: Path) -> Iterator[bytes]:
    """Lines of a file, decompressed, with their ends; only a line feed ends one.

    Raises:
        UserError: if the compressed data are damaged or cut off.
    """
    file = opened(path)
    try:
        with file:
            yield from file
    except (EOFError, lzma.LZMAError, OSError) as error:
        raise UserError(f"{path} is damaged, or cut off ({error})") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "zstandard":
            raise
        raise UserError(f"{path} is damaged, or cut off ({error})") from error


def lines(path: Path) -> Iterator[tuple[int, str | Malformed]]:
    """Numbered lines as text, with their ends; a byte order mark is no text."""
    for number, raw in enumerate(raw_lines(path), start=1):
        try:
            yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            yield (
                number,
                Malformed(
                    number,
                    f"not UTF-8 ({error.reason} at byte {error.start}); "
                    "convert it, for example with iconv -t UTF-8",
                ),
            )


def jsonl(path: Path) -> Rows:
    """Rows of JSON lines; blank lines are passed over."""
    for number, line in lines(path):
        if isinstance(line, Malformed):
            yield line
        elif line.strip():
            yield _object(number, line)


def _object(number: int, line: str) -> Row | Malformed:
    try:
        value = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        told = f"{error.msg} at column {error.colno}" if isinstance(error, ValueError) else error
        return Malformed(number, f"not JSON ({told})")
    if not isinstance(value, dict):
        return Malformed(number, f"expected a JSON object, found {type(value).__name__}")
    return Row(number, value)


def json_array(path: Path) -> Rows:
    """Rows of a JSON array of objects, which is read whole; or of JSON lines under ``.json``."""
    with opened(path) as file:
        start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith(b"["):
        yield from jsonl(path)
        return
    try:
        values = json.loads(b"".join(raw_lines(path)).decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path} is no JSON ({error})") from error
    for number, value in enumerate(values, start=1):
        if isinstance(value, dict):
            yield Row(number, value)
        else:
            yield Malformed(number, f"expected a JSON object, found {type(value).__name__}")


def delimited(path: Path, delimiter: str) -> Rows:
    """Rows of a CSV file, or of a TSV file (in which quotes are text), with a header."""
    csv.field_size_limit(sys.maxsize)
    undecoded: list[Malformed] = []

    def decoded() -> Iterator[str]:
        for _, line in lines(path):
            if isinstance(line, Malformed):
                undecoded.append(line)
            else:
                yield line

    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    table = csv.reader(decoded(), delimiter=delimiter, quoting=quoting, strict=True)
    header: list[str] | None = None
    while True:
        start = table.line_num + len(undecoded) + 1
        try:
            cells = next(table)
        except StopIteration:
            break
        except csv.Error as error:
            if "end of data" in str(error):
                raise UserError(f"{path}, line {start}: a quote that is never closed") from error
            yield Malformed(start, str(error))
            continue
        yield from undecoded
        undecoded.clear()
        if not cells:
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
        elif len(cells) == len(header):
            yield Row(start, dict(zip(header, cells, strict=True)))
        else:
            yield Malformed(start, f"{len(cells)} cells under a header of {len(header)}")
    yield from undecoded


def moses(source: Path, target: Path) -> Rows:
    """Rows of two aligned text files, line by line.

    Raises:
        UserError: if they have different numbers of lines.
    """
    sides = lines(source), lines(target)
    number = 0
    while True:
        one, other = next(sides[0], None), next(sides[1], None)
        if one is None and other is None:
            return
        if one is None or other is None:
            more = sum(1 for side in sides for _ in side) + 1 + number
            shorter, longer = (source, target) if one is None else (target, source)
            raise UserError(
                f"{longer} has {more} lines, {shorter} has {number}: "
                "aligned files have one line for each other's"
            )
        number += 1
        texts = one[1], other[1]
        bad = next((text for text in texts if isinstance(text, Malformed)), None)
        yield bad or Row(
            number,
            {"source": str(texts[0]).rstrip("\r\n"), "target": str(texts[1]).rstrip("\r\n")},
        )


READERS: dict[str, Callable[[Path], Rows]] = {
    "jsonl": jsonl,
    "json": json_array,
    "csv": lambda path: delimited(path, ","),
    "tsv": lambda path: delimited(path, "\t"),
}
"""Format to reader, of those whose rows have columns."""
