"""``mtsweep rate``: people rate translations, without knowing whose they are."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from mtsweep.errors import UserError
from mtsweep.report import entries, find, ratings, write_report


def run(arguments: Sequence[str]) -> int:
    """Write blind sheets, or read filled-in ones and print what they come to."""
    given = _parser().parse_args(arguments)
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,99}", given.name):
        raise UserError(f"--name: {given.name!r} is no file name; use letters, digits, . _ -")
    sweep = entries.read(find(given.sweep, given.output_dir))
    if given.what == "export":
        if given.segments < 1:
            raise UserError("--segments: at least 1")
        runs = ratings.chosen(sweep, given.runs)
        for path in ratings.export(
            sweep, runs, given.name, kind=given.kind, segments=given.segments, seed=given.seed
        ):
            print(path)
        print("Give one of them to each rater, and keep key.json to yourself.")
        return 0
    result = ratings.evaluate(sweep, given.name, given.files)
    told = ratings.told(result, {entry.id: entry.label for entry in sweep.finished})
    print(told.sentence)
    for row in (told.heads, *told.rows):
        print("  ".join(f"{cell:<22}" for cell in row).rstrip())
    for path in write_report(sweep.folder):
        print(path)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mtsweep rate", description="Human evaluation of a sweep's translations."
    )
    actions = parser.add_subparsers(dest="what", required=True)
    export = actions.add_parser("export", help="write blind, shuffled sheets (CSV, HTML)")
    read = actions.add_parser("import", help="read filled-in sheets into the report")
    for action in (export, read):
        action.add_argument("--sweep", help="name under sweeps/, or a folder; default: the newest")
        action.add_argument("--output-dir", type=Path, default=Path(), help="folder with sweeps/")
        action.add_argument("--name", default="ratings", help="what these ratings are called")
    export.add_argument("--runs", nargs="+", default=[], help="labels or ids; default: all runs")
    export.add_argument(
        "--kind",
        choices=("scores", "pairs"),
        default="scores",
        help="adequacy and fluency from 1 to 5, or a preference of two runs",
    )
    export.add_argument("--segments", type=int, default=50, help="segments to rate (default 50)")
    export.add_argument("--seed", type=int, default=1, help="of choice and order (default 1)")
    read.add_argument("files", nargs="+", type=Path, help="CSV files, one a rater, named by rater")
    return parser
