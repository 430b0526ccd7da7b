"""Data that were read, split and cleaned, kept by content and settings for every later process."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mtsweep
from mtsweep import store
from mtsweep.config import DataConfig
from mtsweep.data import catalogs, files, hub
from mtsweep.data.pairs import Conversation, Leak, Message, Pair, Step
from mtsweep.data.split import Parts
from mtsweep.errors import UserError

_LIBRARIES = ("datasets", "ftfy", "langcodes", "polib", "py3langid", "regex")
"""Their versions can change what reading and cleaning come to."""


def kept(config: DataConfig, what: str, make: Callable[[], Parts]) -> Parts:
    """The parts that a section comes to, made now or by an earlier process.

    Args:
        config: Everything in it counts, except what the data are called.
        what: Which parts of the section.
        make: Makes them; what it raises is raised.
    """
    content = _content(config)
    if content is None:
        return make()
    told = [what, config.model_dump(mode="json", exclude={"name", "license"}), content, _made_by()]
    key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]
    return store.kept("data", key, make, _packed, _unpacked)


def _content(config: DataConfig) -> list[Any] | None:
    """What the sources of a section hold; ``None`` where nothing is to be kept."""
    try:
        found = list(_sources(config))
        if config.synthetic_file is not None:
            place = Path(config.synthetic_file).expanduser()
            found.append(store.content([place / "pairs.jsonl" if place.is_dir() else place]))
    except (OSError, UserError):
        return None  # reading says what is wrong
    return found or None


def _sources(config: DataConfig) -> Iterator[Any]:
    if config.source == "combined":
        for part in config.mix:
            yield list(_sources(config.part(part)))
    elif config.source == "files":
        yield store.content(files.paths(config))
    elif config.source == "gettext":
        yield store.content(catalogs.paths(config))
    elif config.source == "hub":
        place, commit = hub.locate(str(config.dataset), config.revision)
        folder = Path(place)
        found = sorted(path for path in folder.rglob("*") if path.is_file() and not commit)
        yield [commit, [str(path.relative_to(folder)) for path in found], store.content(found)]


@cache
def _made_by() -> list[str]:
    """Digest of the code that reads and cleans, and versions of what it uses."""
    root = Path(mtsweep.__file__).parent
    code = sorted((root / "data").rglob("*.py")) + sorted((root / "data").rglob("*.tsv"))
    code += [root / "languages.py", root / "config" / "data.py"]
    digest = hashlib.sha256("".join(store.content(code)).encode()).hexdigest()
    return [digest, unicodedata.unidata_version, *(version(name) for name in _LIBRARIES)]


def _packed(parts: Parts) -> bytes:
    """Parts as JSON, pairs by column."""
    told = {
        **{name: _columns(getattr(parts, name)) for name in ("train", "dev", "test")},
        "dropped": parts.dropped,
        "left_out": parts.left_out,
        "provenance": parts.provenance,
        "malformed": parts.malformed,
        "steps": [dataclasses.asdict(step) for step in parts.steps],
        "leaks": [dataclasses.asdict(leak) for leak in parts.leaks],
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _columns(pairs: tuple[Pair, ...]) -> dict[str, Any]:
    names = ("id", "source", "target", "origin", "split_key")
    made: dict[str, Any] = {name: [getattr(pair, name) for pair in pairs] for name in names}
    if any(pair.languages for pair in pairs):
        made["languages"] = [pair.languages for pair in pairs]
    if any(isinstance(pair, Conversation) for pair in pairs):
        made["messages"] = [
            [[turn.role, turn.content] for turn in pair.messages]
            if isinstance(pair, Conversation)
            else None
            for pair in pairs
        ]
    return made


def _unpacked(body: bytes) -> Parts:
    told = json.loads(body)
    return Parts(
        **{name: tuple(_pairs(told[name])) for name in ("train", "dev", "test")},
        dropped=told["dropped"],
        left_out={
            reason: tuple((one, other) for one, other in some)
            for reason, some in told["left_out"].items()
        },
        provenance=tuple(told["provenance"]),
        malformed=tuple(told["malformed"]),
        steps=tuple(
            Step(**{**step, "examples": tuple((one, other) for one, other in step["examples"])})
            for step in told["steps"]
        ),
        leaks=tuple(Leak(**leak) for leak in told["leaks"]),
    )


def _pairs(columns: dict[str, list[Any]]) -> Iterator[Pair]:
    plain = (columns[name] for name in ("id", "source", "target", "origin", "split_key"))
    ids, sources, targets, origins, keys = plain
    listed = columns.get("languages") or [None] * len(ids)
    spoken = [(one[0], one[1]) if one else None for one in listed]
    pairs = map(Pair, ids, sources, targets, origins, keys, spoken)
    if "messages" not in columns:
        yield from pairs
        return
    for pair, turns in zip(pairs, columns["messages"], strict=True):
        if turns is None:
            yield pair
        else:
            values = {field.name: getattr(pair, field.name) for field in dataclasses.fields(Pair)}
            yield Conversation(**values, messages=tuple(Message(*turn) for turn in turns))
