"""Line in, line out: texts in pieces, and a file that grows as they are translated."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from mtsweep.errors import UserError
from mtsweep.evaluation.generate import Hypothesis
from mtsweep.record import write
from mtsweep.serve.translator import Translator

PIECE = 512
"""Lines translated and written at once."""


def lines_of(file: IO[bytes], name: str) -> Iterator[str]:
    """Lines of a file without their ends; only a newline ends one.

    Raises:
        UserError: naming the line, if it is not UTF-8.
    """
    for number, line in enumerate(file, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{name}: line {number} is not UTF-8 ({error.reason})") from error
        yield text.removesuffix("\n").removesuffix("\r")


def count(path: Path) -> int:
    """Lines of a file, read once in pieces."""
    with path.open("rb") as file:
        last, found = b"", 0
        while piece := file.read(1 << 20):
            last, found = piece, found + piece.count(b"\n")
    return found + (last[-1:] not in {b"", b"\n"})


def translated(
    translator: Translator,
    lines: Iterable[str],
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[tuple[list[str], list[str], int]]:
    """Pieces of the input with their translations.

    Args:
        translator: Of the model and language pair.
        lines: Without their ends.
        advance: Called with about the number of lines of the piece in hand that are done.

    Returns:
        Lines, as many translations, and how many of these did not stop by themselves. An empty
        line stays empty; line breaks within a translation become spaces.
    """
    rest = iter(lines)
    while piece := list(itertools.islice(rest, PIECE)):
        full = [place for place, line in enumerate(piece) if line.strip()]
        said = translator.translate([piece[place] for place in full], advance)
        out = [""] * len(piece)
        for place, hypothesis in zip(full, said, strict=True):
            out[place] = _in_one_line(hypothesis)
        yield piece, out, sum(not each.stopped for each in said)


def _in_one_line(hypothesis: Hypothesis) -> str:
    return " ".join(hypothesis.text.splitlines())


class Draft:
    """A file of translations that is whole when it gets its name; goes on after an interruption.

    Args:
        path: The file. Until it is whole it is called ``<path>.draft``, and ``<path>.draft.json``
            says how far it is.
        maker: Everything that decides what a translation is: of another maker, nothing is kept.
    """

    def __init__(self, path: Path, maker: str) -> None:
        self._path = path
        self._draft = path.with_name(path.name + ".draft")
        self._account = path.with_name(path.name + ".draft.json")
        self._maker = maker
        self._seen = hashlib.sha256()
        self.lines = 0
        self.unstopped = 0
        """Outputs so far that did not stop by themselves."""

    def resume(self, lines: Iterator[str]) -> Iterator[str]:
        """Skip what is in the draft already, if it was made from the same lines.

        Returns:
            The lines that are still to be translated.
        """
        told = self._told()
        taken = list(itertools.islice(lines, told["lines"])) if told else []
        seen = _digest(taken, hashlib.sha256())
        if told and len(taken) == told["lines"] and seen.hexdigest() == told["input"]:
            os.truncate(self._draft, told["bytes"])
            self._seen, self.lines, self.unstopped = seen, told["lines"], told["unstopped"]
            return lines
        self._draft.write_bytes(b"")
        self._account.unlink(missing_ok=True)
        return itertools.chain(taken, lines)

    def add(self, lines: Sequence[str], out: Sequence[str], unstopped: int) -> None:
        """Append the translations of some lines; once this returns they are not lost."""
        with self._draft.open("ab") as file:
            file.write("".join(f"{text}\n" for text in out).encode())
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        _digest(lines, self._seen)
        self.lines += len(lines)
        self.unstopped += unstopped
        account = {
            "maker": self._maker,
            "lines": self.lines,
            "bytes": size,
            "input": self._seen.hexdigest(),
            "unstopped": self.unstopped,
        }
        write(self._account, json.dumps(account) + "\n")

    def finish(self) -> None:
        """Give the file its name."""
        self._draft.replace(self._path)
        self._account.unlink(missing_ok=True)

    def _told(self) -> dict[str, Any] | None:
        try:
            told = json.loads(self._account.read_text(encoding="utf-8"))
            whole = self._draft.stat().st_size >= told["bytes"]
            return told if whole and told["maker"] == self._maker else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _digest(lines: Iterable[str], digest: Any) -> Any:  # noqa: ANN401 - its type is private
    for line in lines:
        digest.update(line.encode() + b"\n")
    return digest
