"""Finished runs by the names that people give: sweeps, their folders, run folders."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from mtsweep.compare.searched import Searched, searched
from mtsweep.compare.settings import Found, settings, varied
from mtsweep.errors import UserError
from mtsweep.record import RunFolder


def gather(
    names: Sequence[str], output: Path, *, whole: bool = False
) -> tuple[list[Found], set[str]]:
    """Runs and base rows of sweeps and run folders, joined.

    Of a search only what its dev set chose is there: the best of many by the test set would be
    chosen by that, and its scores no test any more.

    Args:
        names: Sweeps under ``output/sweeps`` by name, sweep folders, run folders; none for the
            newest sweep.
        output: Folder with ``runs/`` and ``sweeps/``.
        whole: Give all runs of a search.

    Returns:
        Run folders with their records, each once; and the keys that a sweep among them varied.

    Raises:
        UserError: if a name is nothing of the kind, or nothing of it has finished.
    """
    found: dict[str, Found] = {}
    swept: set[str] = set()
    for name in names or [_newest(output)]:
        folder = _folder(name, output)
        if (folder / "sweep.yaml").is_file():
            members = _members(folder, whole=whole)
            swept.update(varied(settings(members)))
        else:
            run = RunFolder(folder)
            record = run.record()
            if record is None:
                raise UserError(f"{folder}: this run has not finished (no record.json)")
            members = [(run, record)]
        found |= {record.id: (run, record) for run, record in members}
    return list(found.values()), swept


def searches(names: Sequence[str], output: Path) -> list[Searched]:
    """What those of some sweeps came to that are searches.

    Raises:
        UserError: as :func:`gather`.
    """
    folders = [_folder(name, output) for name in names or [_newest(output)]]
    sweeps = [folder for folder in folders if (folder / "sweep.yaml").is_file()]
    found = [searched(folder, _told(folder)) for folder in sweeps]
    return [each for each in found if each is not None]


def _newest(output: Path) -> str:
    known = sorted(output.glob("sweeps/*/sweep.yaml"), key=lambda path: path.stat().st_mtime)
    if not known:
        raise UserError(f"{output / 'sweeps'}: no sweep there; name its folder, or --output-dir")
    return str(known[-1].parent)


def _folder(name: str, output: Path) -> Path:
    for folder in (output / "sweeps" / name, Path(name), output / "runs" / name):
        if (folder / "sweep.yaml").is_file() or (folder / "config.yaml").is_file():
            return folder
    known = sorted(path.parent.name for path in output.glob("sweeps/*/sweep.yaml"))
    listed = ", ".join(known[-8:]) or "none"
    raise UserError(f"{name}: neither a sweep nor the folder of a run; sweeps here: {listed}")


def _told(folder: Path) -> dict[str, Any]:
    """What a sweep's ``sweep.yaml`` holds."""
    try:
        told = yaml.safe_load((folder / "sweep.yaml").read_text(encoding="utf-8"))
        return {**told, "runs": [str(each) for each in told["runs"]]}
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise UserError(f"{folder}/sweep.yaml: not as mtsweep writes it ({error})") from error


def _members(folder: Path, *, whole: bool) -> list[Found]:
    """Finished runs of a sweep, and the base rows that its table names."""
    runs = folder.resolve().parent.parent / "runs"
    told = _told(folder)
    search = None if whole else searched(folder, told)
    ids = [each for each in told["runs"] if search is None or each in search.chosen]
    if (folder / "table.csv").is_file():
        text = (folder / "table.csv").read_text(encoding="utf-8")
        rows = csv.DictReader(text.splitlines(keepends=True))
        ids = [row["id"] for row in rows if row["kind"] == "base" and row["id"]] + ids
    folders = [RunFolder(runs / each) for each in dict.fromkeys(ids)]
    members = [(run, record) for run in folders if (record := run.record()) is not None]
    if not members:
        raise UserError(f"{folder}: no run of this sweep has finished (looked in {runs})")
    return members
