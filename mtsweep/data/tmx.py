"""Translation memories (TMX): units with a segment a language, read without holding the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import langcodes

from mtsweep import languages
from mtsweep.data.rows import Row, opened
from mtsweep.errors import UserError

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_CODES = {"bpt", "ept", "ph", "it", "ut"}
"""Elements that hold a program's own markup rather than text."""


def read_tmx(path: Path, source_lang: str, target_lang: str) -> Iterator[Row]:
    """A row for each unit; a side that it lacks is empty.

    Raises:
        UserError: with the line, if it is no XML, and with the languages that it has, if it
            holds none of a pair's.
    """
    seen: set[str] = set()
    found = {"source": False, "target": False}
    number = 0
    try:
        with opened(path) as file:
            for _, element in ET.iterparse(file, events=("end",)):  # noqa: S314 - no entities
                if _local(element.tag) != "tu":
                    continue
                number += 1
                variants = dict(_variants(element))
                seen.update(variants)
                sides = {
                    "source": _of(variants, source_lang),
                    "target": _of(variants, target_lang),
                }
                for side, text in sides.items():
                    found[side] = found[side] or text is not None
                yield Row(number, {side: text or "" for side, text in sides.items()})
                element.clear()
    except ET.ParseError as error:
        raise UserError(f"{path}, line {error.position[0]}: no TMX ({error})") from error
    for side, language in (("source", source_lang), ("target", target_lang)):
        if number and not found[side]:
            raise UserError(
                f"data.{side}_lang: {path} has nothing in {languages.name(language)} "
                f"({languages.iso(language)}); it has: {', '.join(sorted(seen)) or 'no language'}"
            )


def _variants(unit: ET.Element) -> Iterator[tuple[str, str]]:
    for variant in reversed(list(unit)):  # the first of a language wins
        if _local(variant.tag) == "tuv":
            code = variant.get(_LANGUAGE) or variant.get("lang") or ""
            segment = next((part for part in variant if _local(part.tag) == "seg"), None)
            if segment is not None:
                yield code.lower().replace("_", "-"), _text(segment)


def _text(element: ET.Element) -> str:
    said = element.text or ""
    for part in element:
        if _local(part.tag) not in _CODES:
            said += _text(part)
        said += part.tail or ""
    return said


def _of(variants: dict[str, str], language: str) -> str | None:
    """The segment in a language: by its own code, else in one of its regions."""
    iso, code = languages.iso(language), language.lower().replace("_", "-")
    for exact in (code, iso, code.partition("-")[0]):
        if exact in variants:
            return variants[exact]
    for told, text in variants.items():
        if told and _base(told) == iso:
            return text
    return None


def _base(code: str) -> str:
    try:
        return langcodes.Language.get(code).prefer_macrolanguage().language or ""
    except (LookupError, ValueError):
        return code.partition("-")[0]


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
