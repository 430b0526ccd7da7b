"""What a report is about: a sweep's folder and its runs, as they lie on the disk."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from mtsweep.errors import UserError
from mtsweep.record import Record, RunFolder
from mtsweep.scores import LABELS, rounded


@dataclass(frozen=True)
class Entry:
    """One line of the report: the untouched model, or a run."""

    label: str
    kind: Literal["run", "base"]
    folder: RunFolder | None
    record: Record | None
    reason: str = ""
    """Why there is no record."""
    state: Literal["failed", "pruned"] = "failed"
    """Of a run without a record."""

    @property
    def id(self) -> str:
        """Run id; empty for a run that failed."""
        return self.record.id if self.record else ""


@dataclass(frozen=True)
class Sweep:
    """A sweep that has ended."""

    folder: Path
    command: str
    entries: tuple[Entry, ...]
    told: Mapping[str, str] = field(default_factory=dict)
    """Question and expectation of the experiment, where it was one."""
    said: tuple[str, ...] = ()
    """What a search came to, in sentences."""
    chosen: tuple[str, ...] = ()
    """Of a search, the ids of what its dev set chose: nothing else is judged by the test set."""
    dev: Mapping[str, str] = field(default_factory=dict)
    """Of a search, run id to what the dev set says of its trial."""

    @property
    def name(self) -> str:
        """Of the folder."""
        return self.folder.name

    @property
    def finished(self) -> list[Entry]:
        """Lines with records."""
        return [entry for entry in self.entries if entry.record is not None]

    @property
    def judged(self) -> list[Entry]:
        """Lines whose test scores are told: of a search the untouched model and what was chosen."""
        return [entry for entry in self.finished if not self.beside(entry)]

    def beside(self, entry: Entry) -> bool:
        """Whether a line is a trial that the dev set did not choose."""
        return bool(self.chosen) and entry.kind == "run" and entry.id not in self.chosen

    @property
    def failed(self) -> list[Entry]:
        """Lines without, that a search did not give up by itself."""
        return [each for each in self.entries if each.record is None and each.state == "failed"]

    @property
    def pruned(self) -> list[Entry]:
        """Lines that a search gave up."""
        return [each for each in self.entries if each.record is None and each.state == "pruned"]


def find(name: str | None, output: Path = Path()) -> Path:
    """The folder of a sweep by its path or name; the newest if none is given.

    Raises:
        UserError: if there is none such.
    """
    sweeps = output / "sweeps"
    known = sorted(
        (path.parent for path in sweeps.glob("*/table.csv")),
        key=lambda folder: (folder / "table.csv").stat().st_mtime,
    )
    if name is None:
        if not known:
            raise UserError(f"{sweeps}: no sweep has ended here; run one, or name its folder")
        return known[-1]
    for folder in (sweeps / name, Path(name)):
        if (folder / "table.csv").is_file():
            return folder
    listed = ", ".join(folder.name for folder in known[-8:]) or "none yet"
    raise UserError(f"{name}: no sweep that has ended (no table.csv); there are: {listed}")


def read(folder: Path, runs: Path | None = None) -> Sweep:
    """A sweep from its folder; records are taken from ``runs/`` beside ``sweeps/``.

    Raises:
        UserError: if its files are not as mtsweep writes them.
    """
    runs = runs or folder.resolve().parent.parent / "runs"
    try:
        told = yaml.safe_load((folder / "sweep.yaml").read_text(encoding="utf-8"))
        table = (folder / "table.csv").read_text(encoding="utf-8")
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{folder}: not the folder of a sweep that has ended ({error})") from error
    told = told if isinstance(told, dict) else {}
    entries = tuple(_entries(table, runs))
    if not any(entry.record for entry in entries):
        raise UserError(f"{folder}: no run of this sweep has a record under {runs}")
    words = {key: str(told[key]) for key in ("question", "expectation") if told.get(key)}
    found = told.get("search") or {}
    said, chosen = (tuple(map(str, found.get(key) or ())) for key in ("said", "chosen"))
    dev = dict(_dev(found))
    return Sweep(folder, str(told.get("command", "")), entries, words, said, chosen, dev)


def _dev(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Run ids of a search, and what the dev set says of them."""
    metric = str(found.get("metric"))
    for trial in found.get("trials") or ():
        if trial["value"] is not None:
            told = f"dev {LABELS.get(metric, metric)} {rounded(metric, trial['value'])}"
            yield from ((run_id, told) for run_id in trial["runs"])


def _entries(table: str, runs: Path) -> Iterator[Entry]:
    seen: set[tuple[str, str]] = set()
    for line in csv.DictReader(table.splitlines(keepends=True)):
        key = (line["run"], line["id"])
        if key in seen:
            continue
        seen.add(key)
        kind: Literal["run", "base"] = "base" if line["kind"] == "base" else "run"
        if not line["id"]:
            state, _, reason = line["state"].partition(":")
            yield Entry(
                line["run"], kind, None, None, reason.strip() or "no record",
                "pruned" if state == "pruned" else "failed",
            )  # fmt: skip
            continue
        folder = RunFolder(runs / line["id"])
        record = folder.record()
        yield Entry(line["run"], kind, folder, record, "" if record else "its folder is gone")


def flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys and values of a configuration, what never changes a result left out."""
    for key, value in config.items():
        if not prefix and key in {"tracking", "output_dir", "sweep"}:
            continue
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value if isinstance(value, str) else json.dumps(value)


def curve(folder: RunFolder, name: str) -> list[tuple[float, float]]:
    """Steps and values of a figure in ``metrics.jsonl``."""
    try:
        lines = (folder.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue  # cut off in the middle of a line
        if isinstance(value := row.get(name), int | float):
            found.append((float(row["step"]), float(value)))
    return found
