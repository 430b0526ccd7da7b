"""``mtsweep push``: a run's model to the Hugging Face hub, with its card."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mtsweep.bar import bar
from mtsweep.commands.card import options
from mtsweep.scores import LABELS, rounded

if TYPE_CHECKING:
    from mtsweep.card import Subject
    from mtsweep.export import Check
    from mtsweep.publish import Parcel
    from mtsweep.publish.folder import Wishes


def run(arguments: Sequence[str]) -> int:
    """Make the folder, see that it says what was scored, and send it in one commit."""
    given = _parser().parse_args(arguments)
    if given.dry_run:  # before the client is imported: nothing goes to the network, nor comes
        os.environ["HF_HUB_OFFLINE"] = "1"
    from mtsweep import publish
    from mtsweep.card import chosen_format, subject
    from mtsweep.publish.folder import Wishes

    name = publish.checked_name(given.name)
    told = subject(given.run, given.output_dir)
    shipped = chosen_format(told, given.format)
    wishes = Wishes(name, shipped, given.samples, given.license, given.accept_loss)
    if not given.dry_run:
        publish.welcome(name)
    with tempfile.TemporaryDirectory(prefix="mtsweep-push-") as place:
        parcel = _packed(given, told, wishes, Path(place))
        _list(parcel)
        if given.dry_run:
            print(f"{name}: nothing was sent (--dry-run), and the test set not translated again")
            return 0
        with _quiet_unless_watched():
            address = publish.send(parcel, name, told.folder.id, private=given.private)
    print(f"{address}: {shipped}, {sum(parcel.files.values()) / 1e6:.1f} MB")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mtsweep push",
        description="Publish the model of a finished run on the Hugging Face hub with its model "
        "card, in one commit. The test set is translated again with the files that go out; where "
        "that is worse than what was scored, and by more than chance, nothing is sent. Files of "
        "known names alone go out, and none with paths, names or keys in it.",
    )
    options(parser)
    parser.add_argument("name", metavar="OWNER/NAME", help="repository on the hub; made if missing")
    parser.add_argument("--private", action="store_true", help="for the owner's eyes alone")
    parser.add_argument(
        "--dry-run", action="store_true", help="make the folder and list it; nothing is sent"
    )
    parser.add_argument(
        "--accept-loss", action="store_true", help="send it although it is worse; told in the card"
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, …; default: auto")
    return parser


def _packed(given: argparse.Namespace, told: Subject, wishes: Wishes, folder: Path) -> Parcel:
    from mtsweep import device, export, publish
    from mtsweep.serve.translator import quiet

    source = export.source(str(told.folder.path), given.output_dir)
    export.refuse(source, wishes.shipped, None)
    _say(f"{source.id}: {source.label}; as {wishes.shipped}")
    with quiet(), bar("test set again", lambda: len(source.rows)) as advance:
        device.use(given.device)
        parcel = publish.pack(
            source, told, folder, wishes, _say, None if given.dry_run else advance
        )
    if parcel.check is not None:
        _tell(parcel.check)
    return parcel


def _tell(checked: Check) -> None:
    _say(
        f"test set again: {checked.equal} of {checked.segments} outputs are what was scored; "
        + ", ".join(
            f"{LABELS[each.metric]} {rounded(each.metric, each.before.value)} -> "
            f"{rounded(each.metric, each.after.value)}"
            for each in checked.differences
        )
    )


def _list(parcel: Parcel) -> None:
    for name, size in parcel.files.items():
        print(f"  {size / 1e6:>9.3f} MB  {name}")
    if parcel.left:
        _say(f"left behind: {', '.join(parcel.left)}")


@contextlib.contextmanager
def _quiet_unless_watched() -> Iterator[None]:
    """The client's own progress bars only where somebody looks on."""
    from huggingface_hub.utils import disable_progress_bars, enable_progress_bars, logging

    logging.set_verbosity_error()  # it tells each of its retries
    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _say(text: str) -> None:
    print(text, file=sys.stderr)
