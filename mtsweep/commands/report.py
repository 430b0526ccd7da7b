"""``mtsweep report``: the report of a sweep, from what lies on the disk, without torch."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mtsweep.report import find, write_report


def run(arguments: Sequence[str]) -> int:
    """Write ``report.html`` and ``report.md`` into the folder of a sweep; print where they are."""
    parser = argparse.ArgumentParser(
        prog="python -m mtsweep report",
        description="Write report.html (one file, opens offline) and report.md (with pictures) "
        "of a sweep into its folder. A sweep writes both by itself when it ends.",
    )
    parser.add_argument(
        "sweep", nargs="?", help="name under sweeps/, or a folder; left out, the newest sweep"
    )
    parser.add_argument(
        "--output-dir", type=Path, default=Path(), help="folder with runs/ and sweeps/"
    )
    given = parser.parse_args(arguments)
    for path in write_report(find(given.sweep, given.output_dir)):
        print(path)
    return 0
