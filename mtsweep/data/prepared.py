"""Data that were read, split and cleaned, kept by content and settings for every later process."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version
from itertools import accumulate, chain
from pathlib import Path
from typing import IO, Any

import mtsweep
from mtsweep import store
from mtsweep.config import DataConfig
from mtsweep.data import catalogs, files, hub, spill
from mtsweep.data.pairs import Leak, Step
from mtsweep.data.shelf import Batches, Shelf, Writer
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
    return store.kept_file("data", key, make, _write, _read, anew=True)


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


def _write(parts: Parts, file: IO[bytes]) -> None:
    """Parts as an Arrow file: the pairs one behind the other, and beside them the rest."""
    writer = Writer(file)
    writer.all(chain(parts.train, parts.dev, parts.test))
    writer.close({
        "counts": [len(parts.train), len(parts.dev), len(parts.test)],
        "weight": writer.weight,
        "dropped": parts.dropped,
        "left_out": parts.left_out,
        "provenance": parts.provenance,
        "malformed": parts.malformed,
        "steps": [dataclasses.asdict(step) for step in parts.steps],
        "leaks": [dataclasses.asdict(leak) for leak in parts.leaks],
    })  # fmt: skip


def _read(file: IO[bytes], end: int) -> Parts:
    batches = Batches(file, end)
    told, whole = batches.told, Shelf(batches)
    train, dev, test = accumulate(told["counts"])
    pairs = whole[:train]
    weight = told["weight"]
    few = weight <= spill.HELD and not spill.scarce(weight)
    return Parts(
        train=tuple(pairs) if few else pairs,
        dev=tuple(whole[train:dev]),
        test=tuple(whole[dev:test]),
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
