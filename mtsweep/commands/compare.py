"""``mtsweep compare``: which runs are better, which are tied; from the disk, without torch."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtsweep import terminal, trials, verdicts
from mtsweep.byparts import by_parts
from mtsweep.compare import Comparison, Estimate, Row, compare
from mtsweep.compare.gather import gather, searches
from mtsweep.compare.view import MAIN
from mtsweep.errors import UserError
from mtsweep.scores import LABELS, rounded


def run(arguments: Sequence[str]) -> int:
    """Print a comparison of sweeps and runs."""
    given = _parser().parse_args(arguments)
    found, swept = gather(given.what, given.output_dir)
    keys = sorted({*swept, *_keys(given.by, found)})
    comparison = compare(found, given.metric, keys, on=given.on)
    if given.by:
        comparison = _by(comparison, given.by)
    if given.format == "json":
        print(json.dumps(dataclasses.asdict(comparison), indent=1, ensure_ascii=False))
    elif given.format == "csv":
        print(as_csv(comparison), end="")
    elif given.format == "md":
        print(as_markdown(comparison))
    else:
        out = terminal.console()
        for search in searches(given.what, given.output_dir):
            trials.ranking(out, search)
            out.print()
        verdicts.judged(out, comparison)
        records = {record.id: record for _, record in found}
        told = [(row.label, records[row.key]) for row in comparison.rows]
        if parts := by_parts(told):
            terminal.parts(out, parts)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mtsweep compare",
        description="Compare finished runs: intervals, paired tests of all pairs corrected for "
        "their number (Holm), what is tied with the best, and what this much data cannot tell. Of "
        "a search the dev set ranks the trials, and what it chose alone is judged.",
    )
    parser.add_argument(
        "what",
        nargs="*",
        metavar="SWEEP_OR_RUN",
        help="sweeps (name or folder) and run folders; none: the newest sweep",
    )
    parser.add_argument("--by", metavar="KEY", help="order by this key, and let it vary freely")
    parser.add_argument(
        "--metric",
        choices=list(LABELS),
        help="the metric that leads; counted from the predictions where runs did not score it",
    )
    parser.add_argument(
        "--on",
        metavar="NAME",
        default=MAIN,
        help="a further test set (evaluation.also), or a part of the main one (an origin, or a "
        "language pair such as eng_Latn-spa_Latn)",
    )
    parser.add_argument(
        "--format",
        choices=["table", "csv", "json", "md"],
        default="table",
        help="csv has every figure in full, json the curves and grids as well; default: table",
    )
    parser.add_argument(
        "--output-dir", type=Path, default=Path(), help="folder with runs/ and sweeps/"
    )
    return parser


def _keys(by: str | None, found: Sequence[tuple[Any, Any]]) -> list[str]:
    """The key asked for; a group's name stands for all its keys."""
    if by is None:
        return []
    for _, record in found:
        section, _, field = by.partition(".")
        values = record.config.get(section)
        if isinstance(values, dict):
            if not field:
                return [f"{section}.{key}" for key in values]
            if field in values:
                return [by]
    raise UserError(f"--by: {by!r} is no key of these runs; such as lora.r or data.size")


def _by(comparison: Comparison, key: str) -> Comparison:
    """The rows ordered by their value of a key."""
    axis = next(
        (each for each in comparison.axes if each in {key, f"{key}.name"}),
        next((axis for axis, twins in comparison.aliases.items() if key in twins), None),
    )
    if axis is None:
        raise UserError(f"--by: {key} is the same in all of these runs")

    def place(row: Row) -> tuple[bool, bool, float, str]:
        value = row.values.get(axis)
        number = isinstance(value, int | float)
        return row.kind == "run", not number, float(value) if number else 0.0, str(value)

    return dataclasses.replace(comparison, rows=tuple(sorted(comparison.rows, key=place)))


def as_csv(comparison: Comparison) -> str:
    """One line a row and metric, figures in full."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["run", "ids", "kind", *comparison.axes, "metric", "value", "low", "high",
                     "seeds", "tied_with_best", "signature", "segments", "seconds_train",
                     "peak_memory_bytes", "trainable_parameters", "adapter_bytes",
                     "seconds_per_step"])  # fmt: skip
    for row in comparison.rows:
        for name in comparison.metrics:
            score = row.scores[name]
            tied = any(row.key in v.tied for v in comparison.verdicts if v.metric == name)
            writer.writerow(
                [row.label, " ".join(row.ids), row.kind,
                 *(row.values.get(axis, "") for axis in comparison.axes), LABELS[name],
                 score.value, score.low, score.high, len(score.seeds), "yes" if tied else "no",
                 score.signature, score.segments, row.cost["seconds_train"],
                 row.cost["peak_memory_bytes"], row.cost["trainable_parameters"],
                 row.cost["adapter_bytes"], row.cost["seconds_per_step"]]
            )  # fmt: skip
    return out.getvalue()


def as_markdown(comparison: Comparison) -> str:
    """A table and the sentences, for a paper or an issue."""
    heads = ["run", *(LABELS[name] for name in comparison.metrics), "train"]
    lines = [" | ".join(heads), " | ".join(["---"] * len(heads))]
    for row in comparison.rows:
        told = [_cell(name, row.scores[name]) for name in comparison.metrics]
        name = row.label.replace("|", "\\|")
        lines.append(" | ".join([name, *told, f"{row.cost['seconds_train']:.0f} s"]))
    return "\n".join([*(f"| {line} |" for line in lines), "", *comparison.sentences])


def _cell(name: str, score: Estimate) -> str:
    low, high = rounded(name, score.low), rounded(name, score.high)
    return f"{rounded(name, score.value)} [{low}, {high}]"
