"""``mtsweep runs``: what runs there are, what they take, and making room; without torch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mtsweep.errors import UserError
from mtsweep.scores import LABELS, rounded
from mtsweep.serve import inventory
from mtsweep.serve.inventory import Entry
from mtsweep.serve.resolve import locate


def run(arguments: Sequence[str]) -> int:
    """List runs, show one, remove some, or drop the weights of some."""
    given = _parser().parse_args(arguments)
    output = given.output_dir
    if given.what in (None, "list"):
        _list(inventory.entries(output), output)
    elif given.what == "show":
        _show(inventory.entry(locate(given.id, output)), output)
    else:
        _make_room(given, output)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mtsweep runs",
        description="Runs, and what they take on the disk; without a word behind it, the list.",
    )
    parser.set_defaults(output_dir=Path())
    place = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    place.add_argument("--output-dir", type=Path, help="folder with runs/ and sweeps/")
    parser.add_argument(
        "--output-dir", type=Path, default=Path(), help="folder with runs/ and sweeps/"
    )
    actions = parser.add_subparsers(dest="what")
    actions.add_parser("list", parents=[place], help="every run: state, score, disk")
    show = actions.add_parser("show", parents=[place], help="one run: scores, cost, disk by part")
    show.add_argument("id", help="id, its beginning, or the run's folder")
    for name, told in (
        ("remove", "remove runs with all that they left"),
        ("drop-weights", "remove what runs trained; records and predictions stay"),
    ):
        action = actions.add_parser(name, parents=[place], help=told)
        action.add_argument("ids", nargs="+", metavar="ID", help="ids or their beginnings")
        action.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _list(found: Sequence[Entry], output: Path) -> None:
    if not found:
        print(f"no runs in {output.absolute() / 'runs'}")
        return
    width = max(len(each.label) for each in found)
    print(
        f"{'id':<12}  {'model, data, tuning':<{width}}  {'state':<11}  {'score':>10}  {'disk':>8}"
    )
    for each in found:
        scores = each.record.scores if each.record else {}
        lead = next((name for name in ("chrf", *scores) if name in scores), None)
        told = f"{LABELS[lead]} {rounded(lead, scores[lead].value)}" if lead else "-"
        print(
            f"{each.folder.id:<12}  {each.label:<{width}}  {each.state:<11}  {told:>10}  "
            f"{_told(each.bytes):>8}"
        )
    total, weights = sum(each.bytes for each in found), sum(each.weights for each in found)
    print(f"{len(found)} runs, {_told(total)}, of it weights {_told(weights)}")


def _show(entry: Entry, output: Path) -> None:
    print(f"{entry.folder.id}  {entry.label}")
    why = inventory.reason(entry.folder)
    print(f"state   {entry.state}{f': {why}' if why else ''}")
    print(f"sweeps  {', '.join(inventory.sweeps_with(entry.folder.id, output)) or 'none'}")
    if record := entry.record:
        for name, score in record.scores.items():
            known = score.low is not None and score.high is not None
            ends = [rounded(name, end) for end in (score.low, score.high) if end is not None]
            interval = f" [{', '.join(ends)}]" if known else ""
            base = record.base_scores.get(name)
            told = rounded(name, base.value) if base else ""
            beside = f", untouched {told}" if base and record.kind == "run" else ""
            value = rounded(name, score.value)
            print(f"{LABELS[name]:<7} {value}{interval}{beside}  ({score.signature})")
        cost = record.cost
        print(f"time    {cost.seconds_train:.0f} s training, {cost.seconds_evaluate:.0f} s scoring")
    print(f"disk    {_told(entry.bytes)} in {entry.folder.path}")
    for name, size in sorted(entry.parts.items(), key=lambda part: -part[1]):
        print(f"  {_told(size):>8}  {name}")


def _make_room(given: argparse.Namespace, output: Path) -> None:
    """Remove runs or weights, once the person has said yes."""
    folders = {folder.path: folder for folder in (locate(each, output) for each in given.ids)}
    chosen = [inventory.entry(folder) for folder in folders.values()]
    whole = given.what == "remove"
    for each in chosen:
        if not whole and each.record is None:
            raise UserError(f"{each.folder.id}: has not finished; `runs remove` removes it whole")
        print(f"{each.folder.id}  {each.label}  {_told(each.bytes if whole else each.weights)}")
    for runs in {each.folder.path.parent for each in chosen}:
        for other in inventory.dependants(chosen, inventory.entries(runs.parent)):
            print(f"{other.folder.id} shares these weights and could not translate any more")
    question = "Remove all of this" if whole else "Remove these weights"
    if not given.yes and not _agreed(question):
        print("Nothing was removed.")
        return
    for each in chosen:
        (inventory.remove if whole else inventory.drop_weights)(each.folder)
    freed = sum(each.bytes if whole else each.weights for each in chosen)
    print(f"{_told(freed)} freed")


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise UserError("nobody is there to be asked; add --yes")
    return input(f"{question}? [y/N] ").strip().lower() in {"y", "yes"}


def _told(size: int) -> str:
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size / 1e3:.1f} kB"
