"""A run made into a folder that others can use, and the proof that it says what was scored."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, get_args

from filelock import Timeout

from mtsweep import __version__
from mtsweep.config import tuning
from mtsweep.errors import UserError
from mtsweep.export.check import Check, check
from mtsweep.export.source import Source
from mtsweep.lock import Lock
from mtsweep.record import write

Form = Literal["peft", "merged", "ctranslate2", "gguf"]
FORMS: tuple[Form, ...] = get_args(Form)
ACCOUNT = "export.json"
"""What an artefact is, and what came of the check; written last."""
_LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "ctranslate2", "gguf", "tokenizers")


@dataclass(frozen=True)
class Artefact:
    """A folder with a model in it."""

    source: Source
    folder: Path
    form: Form
    quantise: str | None
    notes: tuple[str, ...]
    """What whoever uses it should know."""

    @property
    def files(self) -> dict[str, int]:
        """Its files to their bytes."""
        return {
            str(path.relative_to(self.folder)): path.stat().st_size
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }


def natural(source: Source) -> Form:
    """The form that a run is stored in itself."""
    return "merged" if source.whole else "peft"


def make(  # noqa: PLR0913
    source: Source,
    folder: Path,
    form: Form,
    quantise: str | None = None,
    converter: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Artefact:
    """Write a run's model into a folder; nothing is checked (:func:`again`).

    Args:
        source: The finished run.
        folder: Empty; it is written in place, so give one that may be lost (:func:`drafted`).
        form: What is written.
        quantise: ``int8``, of forms that have it.
        converter: llama.cpp's script, for ``gguf``; ``None`` looks for it.
        say: Is told what takes long, and what to know.

    Raises:
        UserError: if the run has no such form, or a library for it is missing.
    """
    from mtsweep.export import ctranslate, gguf, weights

    refuse(source, form, quantise, converter)
    notes: list[str] = []

    def tell(text: str) -> None:
        notes.append(text)
        say(text)

    if form == "peft":
        weights.adapter(source, folder, tell)
    elif form == "ctranslate2":
        ctranslate.convert(source, folder, quantise, tell)
    elif form == "gguf":
        gguf.convert(source, folder, quantise, gguf.converter(converter), tell)
    else:
        weights.merged(source, folder, tell)
    return Artefact(source, folder, form, quantise, tuple(notes))


def refuse(
    source: Source, form: Form, quantise: str | None = None, converter: Path | None = None
) -> None:
    """Say what cannot be made, before a model is loaded.

    Raises:
        UserError: with the remedy.
    """
    if quantise and form in ("peft", "merged"):
        raise UserError(
            f"--quantise {quantise}: safetensors keep the precision of the run; "
            "take it with --format ctranslate2 or gguf"
        )
    if form == "ctranslate2":
        from mtsweep.export import ctranslate

        ctranslate.refuse(source)
    elif form == "gguf":
        from mtsweep.export import gguf

        gguf.refuse(source, converter)
    if form == "peft" and source.whole:
        what = "trained nothing" if source.trained is None else "trained every weight"
        raise UserError(f"{source.id}: the run {what}: there is no adapter; take --format merged")


def again(artefact: Artefact, advance: Callable[[int], None] = lambda _: None) -> Check:
    """Load an artefact from its folder as anybody would, and translate the test set with it."""
    from mtsweep import device
    from mtsweep.evaluation.generate import generate
    from mtsweep.export import gguf, reload, said
    from mtsweep.serve import ctranslate

    source, folder = artefact.source, artefact.folder
    if artefact.form == "peft":
        base, speak = reload.adapter(source, folder), generate
    elif artefact.form == "ctranslate2":
        base, speak = reload.converted(source.family, folder), ctranslate.speak
    elif artefact.form == "gguf":
        base, speak = reload.whole(source, folder, gguf.MODEL), generate
    else:
        base, speak = reload.whole(source, folder), generate
    rows = said.again(source, base, speak, advance)
    del base
    device.free_memory()
    return check(source, rows)


def account(artefact: Artefact, checked: Check | None, *, accepted: bool = False) -> None:
    """Write ``export.json``: what the artefact is, how it is used, and what the check came to."""
    source = artefact.source
    config = source.config
    told: dict[str, Any] = {
        "format": artefact.form,
        "quantise": artefact.quantise,
        "run": source.id,
        "train_id": source.record.train_id,
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "base": {"name": source.base_name, "revision": source.located.revision},
        "tuning": "untouched" if source.trained is None else tuning(config.lora.model_dump()),
        "interpolate": config.evaluation.interpolate,
        "scored_in": source.record.environment.get("precision"),
        "versions": {"mtsweep": __version__, **_versions()},
        "notes": list(artefact.notes),
        "use": {
            "family": source.family,
            "languages": [list(pair) for pair in source.pairs],
            "prompt": config.prompt.model_dump(mode="json"),
            "decoding": source.decoding.model_dump(mode="json"),
            "context": source.located.config.get("max_position_embeddings"),
            "longer": _longer(artefact),
        },
        "check": None
        if checked is None
        else {**checked.as_json(), "loss_accepted": accepted and bool(checked.lost)},
    }
    write(artefact.folder / ACCOUNT, json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def _longer(artefact: Artefact) -> float:
    """Tokens of translations over tokens of sources, by the test set."""
    from mtsweep.export import reload, said
    from mtsweep.models.codec import Codec
    from mtsweep.serve.translator import longer

    source = artefact.source
    pair = source.pairs[0]
    codec = said.codec_of(source, reload.tokenizer(artefact.folder), pair)
    rows = [row for row in source.rows if source.languages(row) == pair]
    known = [(row["source"], row["reference"]) for row in rows]
    return longer(codec, known) if isinstance(codec, Codec) else 1.0


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@contextmanager
def drafted(target: Path) -> Iterator[Path]:
    """A folder beside a target, which becomes the target in one step if all goes well.

    What others left who were killed over the same target is cleared first.

    Raises:
        UserError: if the target holds something already, or its place cannot be written to.
    """
    target = target.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"--to {target}: is there already; choose a new folder, or an empty one")
    draft = target.with_name(f".{target.name}.draft-{secrets.token_hex(4)}")
    alive = Lock(_lock_of(draft))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear(target)
        alive.acquire()  # before there is anything that another might take to be abandoned
        draft.mkdir(mode=0o700)
    except OSError as error:
        raise UserError(f"--to {target}: cannot be written ({error.strerror})") from error
    try:
        yield draft
        _settle(draft)
        draft.replace(target)
    finally:
        _discard(draft, alive)


def _lock_of(draft: Path) -> Path:
    return draft.with_name(f"{draft.name}.lock")


def _clear(target: Path) -> None:
    """Remove drafts whose lock nobody holds: who made them was killed."""
    for draft in [*target.parent.iterdir()]:
        if draft.name.startswith(f".{target.name}.draft-") and draft.is_dir():
            alive = Lock(_lock_of(draft))
            with contextlib.suppress(Timeout):
                alive.acquire(blocking=False)
                _discard(draft, alive)


def _discard(draft: Path, alive: Lock) -> None:
    shutil.rmtree(draft, ignore_errors=True)
    alive.release()
    alive.path.unlink(missing_ok=True)


def _settle(folder: Path) -> None:
    """Bring a folder's files to the disk, with the permissions of any new file."""
    mask = os.umask(0)
    os.umask(mask)
    folder.chmod(0o777 & ~mask)
    for path in folder.rglob("*"):
        if path.is_dir():
            continue
        path.chmod(0o666 & ~mask)
        with path.open("rb+") as file:
            os.fsync(file.fileno())
