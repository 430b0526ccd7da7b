"""The phrasebook: everyday sentences in five languages, written for this project.

``phrasebook/<domain>.tsv`` has a header (``id`` and FLORES-200 codes) and a row per sentence.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from mtsweep.config import DataConfig
from mtsweep.data.pairs import Pair, Pool
from mtsweep.errors import UserError

_FOLDER = files("mtsweep.data") / "phrasebook"


@cache
def phrases() -> dict[str, list[dict[str, str]]]:
    """Rows (``id`` and language code to text) by domain, domains in alphabetical order."""
    book = {}
    for file in sorted(_FOLDER.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".tsv"):
            header, *rows = file.read_text(encoding="utf-8").splitlines()
            columns = header.split("\t")
            book[file.name.removesuffix(".tsv")] = [
                dict(zip(columns, row.split("\t"), strict=True)) for row in rows
            ]
    return book


def read_phrasebook(config: DataConfig) -> Pool:
    """Sentence pairs of the chosen domains and languages.

    Raises:
        UserError: if a language or a domain is not in the phrasebook.
    """
    book = phrases()
    spoken = [code for code in next(iter(book.values()))[0] if code != "id"]
    for key in ("source_lang", "target_lang"):
        if (code := getattr(config, key)) not in spoken:
            raise UserError(
                f"data.{key}: the phrasebook has no {code}; it has: {', '.join(spoken)}"
            )
    for domain in config.domains or ():
        if domain not in book:
            raise UserError(
                f"data.domains: the phrasebook has no {domain!r}; it has: {', '.join(book)}"
            )
    return Pool(
        tuple(
            Pair(row["id"], row[config.source_lang], row[config.target_lang], domain, row["id"])
            for domain in config.domains or book
            for row in book[domain]
        )
    )
