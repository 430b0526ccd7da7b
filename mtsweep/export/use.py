"""Translating with what was exported for CTranslate2: a folder, or a run converted once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock

from mtsweep import languages
from mtsweep.cache import cache_dir
from mtsweep.config import DecodingConfig, PromptConfig
from mtsweep.data.shots import from_json
from mtsweep.errors import UserError
from mtsweep.export import ctranslate, reload
from mtsweep.export.make import ACCOUNT, account, drafted, make
from mtsweep.export.source import Source
from mtsweep.record import EXAMPLES
from mtsweep.serve import ctranslate as engine
from mtsweep.serve import resolve
from mtsweep.serve.resolve import Chosen
from mtsweep.serve.translator import Translator

_VERSION = 1
"""Raise it when a conversion writes other files, so that older ones are not used."""


@dataclass(frozen=True)
class Converted:
    """A folder for CTranslate2, by its ``export.json``."""

    folder: Path
    told: dict[str, Any]
    at_hand: bool = False
    """Whether the run that it was made of is there, to be asked too."""

    @property
    def share(self) -> float | None:
        """Of test segments that were as scored when it was exported; ``None``: not checked."""
        checked = self.told["check"]
        return None if checked is None else float(checked["share"])


def is_exported(name: str | None) -> bool:
    """Whether that is a folder which was exported."""
    return name is not None and (Path(name) / ACCOUNT).is_file()


def read(folder: Path) -> Converted:
    """What a folder says of itself.

    Raises:
        UserError: if it is of another form, or not whole.
    """
    try:
        told = json.loads((folder / ACCOUNT).read_text(encoding="utf-8"))
        form, _ = told["format"], (told["use"]["languages"], told["check"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / ACCOUNT}: not what export writes ({error!r})") from error
    if form != "ctranslate2":
        raise UserError(
            f"{folder}: was exported as {form}; translate takes folders of --format ctranslate2, "
            f"and runs (this was run {told.get('run')})"
        )
    return Converted(folder, told)


def chosen(converted: Converted, asked: tuple[str | None, str | None]) -> Chosen:
    """What is needed to translate with a folder.

    Args:
        converted: The folder.
        asked: Source and target language, ``None`` where any will do.

    Raises:
        UserError: if that is no language, or leaves none or several of its pairs.
    """
    use = converted.told["use"]
    wanted = [text and languages.code(text) for text in asked]
    pairs = [tuple(pair) for pair in use["languages"]]
    fit = [pair for pair in pairs if all(w in (None, p) for w, p in zip(wanted, pair, strict=True))]
    if len(fit) != 1:
        listed = ", ".join(f"{one} to {other}" for one, other in pairs)
        raise UserError(f"it translates {listed}: choose with --from and --into")
    config = resolve.untouched()
    data = config.data.model_copy(
        update=dict(zip(("source_lang", "target_lang"), fit[0], strict=True))
    )
    model = config.model.model_copy(update={"name": converted.told["base"]["name"]})
    told = {
        "data": data,
        "model": model,
        "prompt": PromptConfig.model_validate(use["prompt"]),
        "decoding": DecodingConfig.model_validate(use["decoding"]),
    }
    examples = converted.folder / EXAMPLES
    shots = from_json(examples.read_text(encoding="utf-8")) if examples.is_file() else None
    return Chosen(converted.folder.name, config.model_copy(update=told), None, shots=shots)


def of_run(source: Source, say: Callable[[str], None]) -> Converted:
    """A run converted for CTranslate2, in the cache; made where it is not there yet.

    Raises:
        UserError: if its architecture is not converted, or the library is missing.
    """
    ctranslate.refuse(source)
    folder = cache_dir() / "ctranslate2" / _key(source)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / ACCOUNT).is_file():
            say("converting for CTranslate2, once")
            with drafted(folder) as draft:
                account(make(source, draft, "ctranslate2", say=say), None)
    return replace(read(folder), at_hand=True)


def _key(source: Source) -> str:
    """Digest of everything that decides what is in the folder."""
    config = source.config
    told = [
        _VERSION,
        version("ctranslate2"),
        source.record.train_id,
        config.evaluation.interpolate,
        config.model.name,
        config.model.dtype,
        source.located.revision,
        config.prompt.model_dump(mode="json"),
        source.decoding.model_dump(mode="json"),
        source.pairs,
        source.shots and source.shots.digest,
    ]
    return f"{source.id}-{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]}"


@contextmanager
def opened(converted: Converted, wanted: Chosen) -> Iterator[Translator]:
    """The translator of a folder.

    Args:
        converted: The folder.
        wanted: Of the folder (:func:`chosen`) or of the run that it was made of; its decoding may
            be another.

    Raises:
        RunFailedError: if CTranslate2 cannot load it.
    """
    use = converted.told["use"]
    base = reload.converted(use["family"], converted.folder, use["context"])
    translator = Translator(base, base.model, wanted.config, shots=wanted.shots, speak=engine.speak)
    translator.longer = use["longer"]
    yield translator
