"""``mtsweep card``: the model card of a run, from its records; without torch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mtsweep.card import SAMPLES, card, chosen_format, subject
from mtsweep.errors import UserError
from mtsweep.record import write

_NAME = "owner/name"


def run(arguments: Sequence[str]) -> int:
    """Print a card, or write it to a file."""
    given = _parser().parse_args(arguments)
    told = subject(given.run, given.output_dir)
    shipped = chosen_format(told, given.format)
    text = card(told, given.name, shipped, given.samples, given.license)
    if given.to is None:
        print(text, end="")
        return 0
    try:
        write(given.to, text)
    except OSError as error:
        raise UserError(f"--to {given.to}: cannot be written ({error.strerror})") from error
    print(given.to)
    if given.name == _NAME:
        print(f"note: it speaks of {_NAME}; --name says what it is called", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mtsweep card",
        description="Write the model card of a finished run from its records: results, samples, "
        "data, tuning, cost, limits, and how to use it.",
    )
    options(parser)
    parser.add_argument("--to", type=Path, help="file for it, such as README.md; default: printed")
    parser.add_argument(
        "--name", default=_NAME, help="what the model is called on the hub, in the card's lines"
    )
    return parser


def options(parser: argparse.ArgumentParser) -> None:
    """What ``card`` and ``push`` have in common."""
    parser.add_argument(
        "run",
        metavar="RUN",
        help="id or its beginning, a run folder, 'best' (by chrF, of the newest sweep), or a "
        "sweep, whose best run is taken",
    )
    parser.add_argument(
        "--format",
        choices=["peft", "merged"],
        help="what ships: the adapter, or a whole model; default: the adapter, where its base "
        "model is on the hub exactly as it was tuned",
    )
    parser.add_argument(
        "--license",
        metavar="ID",
        help="of what ships, as the hub calls it (apache-2.0, cc-by-4.0, …); default: the base "
        "model's, where it is known",
    )
    parser.add_argument(
        "--samples",
        type=_count,
        metavar="N",
        help=f"test segments that the card shows; default: {SAMPLES}, and none where the data are "
        "files of your own, whose texts it would publish",
    )
    parser.add_argument(
        "--output-dir", type=Path, default=Path(), help="folder with runs/ and sweeps/"
    )


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 up")
    return int(text)
