"""The folder that goes out: made by export, checked, cleaned, and with its card."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mtsweep import export
from mtsweep.card import Format, Subject, card
from mtsweep.errors import RunFailedError, UserError
from mtsweep.export import Check, Source
from mtsweep.publish import scan
from mtsweep.record import write
from mtsweep.scores import LABELS, rounded

_CARD = "README.md"
_ADAPTER = "adapter_config.json"
_PLACES = ("_name_or_path", "name_or_path", "tokenizer_file")
"""Keys that say where something lay on the machine."""


@dataclass(frozen=True)
class Parcel:
    """What goes out."""

    folder: Path
    files: dict[str, int]
    """Path in the folder to bytes."""
    left: tuple[str, ...]
    """Files that export made and that stay behind."""
    check: Check | None
    """What came of translating the test set again with it."""


@dataclass(frozen=True)
class Wishes:
    """What the publisher asked for."""

    name: str
    """``owner/name``."""
    shipped: Format
    samples: int | None
    licence: str | None
    accept_loss: bool = False


def pack(
    source: Source,
    subject: Subject,
    folder: Path,
    wishes: Wishes,
    say: Callable[[str], None],
    advance: Callable[[int], None] | None,
) -> Parcel:
    """Make the folder of a run.

    Args:
        source: The run, as export takes it.
        subject: The same run, as its card takes it.
        folder: Empty.
        wishes: What the publisher asked for.
        say: Is told what is to be known.
        advance: Is told how many test segments were translated again; ``None`` does not do that.

    Raises:
        RunFailedError: if what would go out is worse than what was scored, by more than chance.
        UserError: if something of the machine or a person stands in a file.
    """
    artefact = export.make(source, folder, wishes.shipped, say=say)
    checked = None if advance is None else export.again(artefact, advance)
    if checked is not None and checked.lost and not wishes.accept_loss:
        names = " and ".join(LABELS[name] for name in checked.lost)
        raise RunFailedError(
            f"{source.id}: what would go out is worse in {names} than what was scored, by more "
            "than chance; nothing was sent (--accept-loss sends it all the same)"
        )
    left = tuple(_leave_behind(folder))
    _clean(folder, subject)
    proof = _proof(checked, subject, wishes.shipped)
    text = card(subject, wishes.name, wishes.shipped, wishes.samples, wishes.licence, proof)
    write(folder / _CARD, text)
    if told := list(scan.found(folder)):
        listed = "\n".join(f"  {each}" for each in told)
        raise UserError(f"nothing was sent, because of what stands in the files:\n{listed}")
    sizes = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return Parcel(folder, sizes, left, checked)


def _leave_behind(folder: Path) -> list[str]:
    """Take out of the folder what no model is loaded from."""
    gone = []
    for path in sorted(folder.rglob("*"), reverse=True):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif scan.kind(name) is None:
            path.unlink()
            gone.append(name)
    return gone


def _clean(folder: Path, subject: Subject) -> None:
    """Name the base model as the hub does, and forget places."""
    for path in sorted(folder.glob("*config.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        kept = {key: value for key, value in told.items() if key not in _PLACES}
        if path.name == _ADAPTER:
            kept["base_model_name_or_path"] = subject.base_model
        if kept != told:
            write(path, json.dumps(kept, indent=2, ensure_ascii=False) + "\n")


def _proof(checked: Check | None, subject: Subject, shipped: Format) -> str:
    """That these files say what was scored, as far as it was seen."""
    if checked is None or (shipped == "peft" and not subject.exact_base):
        return ""
    what = "conversations were answered" if subject.is_chat else "test set was translated"
    told = (
        f"The run's {what} again with these files before they were published: {checked.equal:,} of "
        f"{checked.segments:,} outputs are, word for word, what was scored."
    )
    if checked.lost:
        worse = ", ".join(
            f"{LABELS[each.metric]} {rounded(each.metric, each.before.value)} before and "
            f"{rounded(each.metric, each.after.value)} now"
            for each in checked.differences
            if each.lost
        )
        told += f" They are worse than what was scored, by more than chance: {worse}."
    return told
