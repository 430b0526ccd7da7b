"""Pairs from gettext catalogs: of an installed Python package, of a tree, or of one file."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polib

from mtsweep import languages
from mtsweep.config import DataConfig
from mtsweep.data.pairs import Pair, Pool, fold
from mtsweep.data.rows import COMPRESSED, Row, bare, raw_lines
from mtsweep.data.tally import Tally, sampled
from mtsweep.errors import UserError

_PLACEHOLDER = re.compile(r"%[\w(]|\{\w*\}|\$[({\[]")
_MARKUP = re.compile(r"<[^>]+>|&\w+;")

Key = tuple[str, str]
"""Context (usually none) and message: what identifies an entry in every language."""


def read_gettext(config: DataConfig) -> Pool:
    """Messages of ``data.package`` in both languages, joined by context and message.

    Left out and counted: messages of one word, with placeholders or markup, and those whose
    translation is missing, marked fuzzy, or a repetition of the source.

    Raises:
        UserError: if there is no such package or folder, or it lacks one of the languages.
    """
    package = str(config.package)
    folder, name = _folder(package)
    catalogs = _catalogs(folder)
    source = _messages(catalogs, config.source_lang, package, "data.source_lang")
    target = _messages(catalogs, config.target_lang, package, "data.target_lang")
    if source is None and target is None:
        raise UserError("data: source_lang and target_lang are both the catalogs' own English")
    keys = list(target if target is not None else source or {})
    tally = Tally(strict=False)
    pairs: dict[str, Pair] = {}
    for key in keys:
        message = key[1]
        texts = [message if side is None else side.get(key, "") for side in (source, target)]
        pair = Pair(f"{name}:{message}", texts[0].strip(), texts[1].strip(), name, "")
        if reason := _reason(pair, message):
            tally.drop(reason, pair.source, pair.target)
            continue
        folded = fold(pair.source)
        if folded in pairs:
            tally.drop("duplicate source", pair.source, pair.target)
            continue
        pairs[folded] = Pair(pair.id, pair.source, pair.target, name, folded)
    if not pairs:
        raise UserError(f"data.package: the catalogs of {package} hold no usable pairs")
    return Pool(
        sampled(pairs.values(), config.sample, config.split_seed),
        dropped=dict(tally.dropped),
        left_out=tally.left_out,
        provenance=(f"catalogs of {package}",),
    )


def paths(config: DataConfig) -> list[Path]:
    """The catalogs that a section reads.

    Raises:
        UserError: if there is no such package or folder.
    """
    catalogs = _catalogs(_folder(str(config.package))[0])
    locales = (_locale(catalogs, code) for code in (config.source_lang, config.target_lang))
    return [path for locale in locales for path in catalogs.get(locale or "", ())]


def entries(path: Path, source_lang: str, target_lang: str) -> Iterator[Row]:
    """Rows of one catalog: message and translation, turned as the languages ask for.

    Entries that are not translated, fuzzy or obsolete are rows without text.

    Raises:
        UserError: if it is no catalog, or of another language.
    """
    catalog = _parsed(path)
    told = str(catalog.metadata.get("Language") or "").replace("_", "-").lower()
    base = told.partition("-")[0]
    backwards = bool(base) and base == languages.iso(source_lang)
    if base and not backwards and base != languages.iso(target_lang):
        raise UserError(
            f"data.target_lang: {path} translates into {told!r}, which is neither "
            f"{source_lang} nor {target_lang}"
        )
    for number, entry in enumerate(catalog, start=1):
        text = "" if getattr(entry, "fuzzy", False) or entry.obsolete else entry.msgstr
        sides = (text, entry.msgid if text else "")
        source, target = sides if backwards else sides[::-1]
        yield Row(getattr(entry, "linenum", None) or number, {"source": source, "target": target})


def _folder(package: str) -> tuple[Path, str]:
    """Folder of a package, or of a tree that is given by its path; and what it is called."""
    tree = Path(package).expanduser()
    if tree.is_absolute() or os.sep in package.rstrip(os.sep):
        if not tree.is_dir():
            raise UserError(f"data.package: there is no folder {tree}")
        return tree, tree.name
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"data.package: no package {package!r} is installed (pip install {package})"
        )
    return Path(next(iter(spec.submodule_search_locations))), package


def _catalogs(folder: Path) -> dict[str, list[Path]]:
    """Locale name to its catalog files, ``.po`` before a ``.mo`` of the same name."""
    found: dict[str, dict[Path, Path]] = {}
    for suffix in (".mo", ".po"):
        for path in sorted(folder.rglob(f"*/LC_MESSAGES/*{suffix}")):
            found.setdefault(path.parent.parent.name, {})[path.with_suffix("")] = path
    return {locale: list(paths.values()) for locale, paths in found.items()}


def _messages(
    catalogs: dict[str, list[Path]], language: str, package: str, key: str
) -> dict[Key, str] | None:
    """Message to translation in one language; ``None`` for that of the messages, English."""
    if language == "eng_Latn":
        return None
    locale = _locale(catalogs, language)
    if locale is None:
        raise UserError(
            f"{key}: {package} has no catalog for {language} ({languages.iso(language)}); "
            f"it has: {', '.join(sorted(catalogs)) or 'none at all'}"
        )
    messages: dict[Key, str] = {}
    for path in catalogs[locale]:
        try:
            catalog = _parsed(path)
        except UserError as error:
            raise UserError(f"data.package: {error}") from error
        for entry in catalog:
            if entry.msgstr and not getattr(entry, "fuzzy", False) and not entry.obsolete:
                messages.setdefault((entry.msgctxt or "", entry.msgid), entry.msgstr)
    return messages


def _locale(catalogs: dict[str, list[Path]], language: str) -> str | None:
    """What the catalogs of a language are filed under."""
    iso, script = languages.iso(language), language.partition("_")[2]
    return next((name for name in (f"{iso}_{script}", iso) if name in catalogs), None)


def _parsed(path: Path) -> polib.POFile | polib.MOFile:
    compiled = bare(path).suffix in {".mo", ".gmo"}
    packed = path.suffix in COMPRESSED
    try:
        if compiled:
            content: Any = b"".join(raw_lines(path)) if packed else str(path)
            return polib.mofile(content, encoding="utf-8")
        text = b"".join(raw_lines(path)).decode("utf-8-sig") if packed else str(path)
        return polib.pofile(text, encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UserError(f"{path} is no readable catalog ({error})") from error


def _reason(pair: Pair, message: str) -> str | None:
    if not pair.source or not pair.target:
        return "not translated"
    if len(message.split()) < 2:  # noqa: PLR2004
        return "one word"
    texts = pair.source + pair.target
    if _PLACEHOLDER.search(texts):
        return "placeholder"
    if _MARKUP.search(texts):
        return "markup"
    return "same as source" if pair.source == pair.target else None
