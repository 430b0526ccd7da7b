"""``mtsweep dashboard``: a sweep as a saved workspace and a report of W&B."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from mtsweep import dashboard
from mtsweep.errors import UserError
from mtsweep.record import write
from mtsweep.report import entries, find


def run(arguments: Sequence[str]) -> int:
    """Save the dashboard of a sweep, or write its specification; print where it is."""
    given = _parser().parse_args(arguments)
    dashboard.check()
    folder = find(given.sweep, given.output_dir)
    about = dashboard.subject(entries.read(folder))
    told = {key: getattr(given, key) for key in ("project", "entity") if getattr(given, key)}
    about = dataclasses.replace(about, wandb=about.wandb.model_copy(update=told))
    if given.to:
        text = json.dumps(dashboard.specification(about), indent=1, ensure_ascii=False)
        try:
            write(given.to, text + "\n")
        except OSError as error:
            raise UserError(f"--to: cannot write {given.to} ({error.strerror})") from error
        print(given.to)
        return 0
    if not dashboard.online(about):
        raise UserError(
            "dashboard: no W&B key here, or W&B is set offline; `wandb login` (or WANDB_API_KEY), "
            "send runs that were mirrored offline by the `wandb sync` line of their sweep, and try "
            "again. --to FILE.json writes what would be saved, without an account"
        )
    addresses = dashboard.send(about, folder)
    if not addresses:
        raise UserError("dashboard: the key has no entity of its own; --entity NAME")
    print(*addresses, sep="\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mtsweep dashboard",
        description="Save a W&B workspace and a report of a sweep: scores beside the untouched "
        "model, the comparison, swept settings with their importance, curves, behaviour, cost and "
        "samples. Saved again, they take the place of the earlier ones.",
    )
    parser.add_argument(
        "sweep", nargs="?", help="name under sweeps/, or a folder; left out, the newest sweep"
    )
    parser.add_argument(
        "--to", type=Path, metavar="FILE.json", help="write the specification, send nothing"
    )
    parser.add_argument("--project", help="W&B project; left out, that of the sweep's runs")
    parser.add_argument("--entity", help="user or team; left out, the default of the key")
    parser.add_argument(
        "--output-dir", type=Path, default=Path(), help="folder with runs/ and sweeps/"
    )
    return parser
