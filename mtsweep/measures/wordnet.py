"""WordNet's data, wherever a machine has them."""

from __future__ import annotations

import os
import re
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

_DEBIAN = Path("/usr/share/wordnet")
_LEXNAMES = 45
"""Files of WordNet's lexicographers; only their count matters here."""


def folder() -> Path | None:
    """Where the data are: ``$WNSEARCHDIR``, an nltk_data folder, or the Debian package's."""
    named = os.environ.get("WNSEARCHDIR")
    for path in (Path(named) if named else None, _of_nltk(), _DEBIAN):
        if path is not None and (path / "data.noun").is_file():
            return path
    return None


def _of_nltk() -> Path | None:
    import nltk.data

    for base in nltk.data.path:
        path = Path(base) / "corpora" / "wordnet"
        if (path / "data.noun").is_file():
            return path
    return None


def release() -> str:
    """Version of the data, by the licence at the top of their files."""
    path = folder()
    if path is None:
        return "none"
    with (path / "data.noun").open(encoding="utf-8") as file:
        head = file.read(2000)
    found = re.search(r"WordNet (\d+\.\d+)", head)
    return found.group(1) if found else "unknown"


@cache
def reader() -> Any:  # noqa: ANN401 - NLTK has no types
    """NLTK's reader of the data."""
    import warnings

    import nltk.data
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    class Reader(WordNetCorpusReader):
        """Reads the data as Debian has them too: without the list of lexicographers' files."""

        def open(self, file: str) -> Any:  # noqa: ANN401
            if file == "lexnames" and not (Path(str(self.root)) / file).is_file():
                return StringIO("".join(f"{i:02}\tfile\t0\n" for i in range(_LEXNAMES)))
            return super().open(file)

        def map_wn(self, version: str = "wordnet") -> None:
            """No map to other releases, whose data are not there."""

    path = folder()
    if path is None:
        raise FileNotFoundError("WordNet data")
    if str(path) not in nltk.data.path:
        nltk.data.path.append(str(path))  # NLTK opens nothing elsewhere
    with warnings.catch_warnings():
        # Its multilingual functions are not used.
        warnings.filterwarnings("ignore", message="The multilingual functions")
        return Reader(str(path), None)
