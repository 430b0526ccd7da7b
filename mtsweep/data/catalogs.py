"""Pairs from gettext catalogs: the messages that an installed Python package carries translated."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from pathlib import Path

import polib

from mtsweep import languages
from mtsweep.config import DataConfig
from mtsweep.data.pairs import Pair, Pool, fold
from mtsweep.errors import UserError

_PLACEHOLDER = re.compile(r"%[\w(]|\{\w*\}")
_MARKUP = re.compile(r"<[^>]+>|&\w+;")


def read_gettext(config: DataConfig) -> Pool:
    """Messages of ``data.package`` in both languages, joined by message.

    Left out and counted: messages of one word, with placeholders or markup, and those whose
    translation is missing, marked fuzzy, or a repetition of the source.

    Raises:
        UserError: if the package is not installed or lacks one of the languages.
    """
    package = str(config.package)
    folder = _folder(package)
    catalogs = _catalogs(folder)
    source = _messages(catalogs, config.source_lang, package, "data.source_lang")
    target = _messages(catalogs, config.target_lang, package, "data.target_lang")
    if source is None and target is None:
        raise UserError("data: source_lang and target_lang are both the catalogs' own English")
    keys = list(target if target is not None else source or {})
    dropped: Counter[str] = Counter()
    pairs: dict[str, Pair] = {}
    for message in keys:
        texts = [message if side is None else side.get(message, "") for side in (source, target)]
        pair = Pair(f"{package}:{message}", texts[0].strip(), texts[1].strip(), package, "")
        if reason := _reason(pair, message):
            dropped[reason] += 1
            continue
        key = fold(pair.source)
        if key in pairs:
            dropped["duplicate source"] += 1
            continue
        pairs[key] = Pair(pair.id, pair.source, pair.target, package, key)
    if not pairs:
        raise UserError(f"data.package: the catalogs of {package} hold no usable pairs")
    return Pool(tuple(pairs.values()), dropped=dict(dropped))


def _folder(package: str) -> Path:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"data.package: no package {package!r} is installed (pip install {package})"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _catalogs(folder: Path) -> dict[str, list[Path]]:
    """Locale name to its catalog files, ``.po`` before a ``.mo`` of the same name."""
    found: dict[str, dict[Path, Path]] = {}
    for suffix in (".mo", ".po"):
        for path in sorted(folder.rglob(f"*/LC_MESSAGES/*{suffix}")):
            found.setdefault(path.parent.parent.name, {})[path.with_suffix("")] = path
    return {locale: list(paths.values()) for locale, paths in found.items()}


def _messages(
    catalogs: dict[str, list[Path]], language: str, package: str, key: str
) -> dict[str, str] | None:
    """Message to translation in one language; ``None`` for that of the messages, English."""
    if language == "eng_Latn":
        return None
    iso, script = languages.iso(language), language.partition("_")[2]
    paths = next((catalogs[name] for name in (f"{iso}_{script}", iso) if name in catalogs), None)
    if paths is None:
        raise UserError(
            f"{key}: {package} has no catalog for {language} ({iso}); "
            f"it has: {', '.join(sorted(catalogs)) or 'none at all'}"
        )
    messages: dict[str, str] = {}
    for path in paths:
        read = polib.mofile if path.suffix == ".mo" else polib.pofile
        try:
            catalog = read(str(path), encoding="utf-8")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise UserError(f"data.package: {path} is no readable catalog ({error})") from error
        for entry in catalog:
            if entry.msgstr and not getattr(entry, "fuzzy", False) and not entry.obsolete:
                messages.setdefault(entry.msgid, entry.msgstr)
    return messages


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
