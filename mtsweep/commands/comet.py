"""``mtsweep comet``: COMET scores for runs that have finished, without decoding again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mtsweep.compare.gather import gather
from mtsweep.config import EvaluationConfig
from mtsweep.errors import UserError
from mtsweep.evaluation.comet import Comet, complete
from mtsweep.measures import comet_refusal
from mtsweep.scores import LABELS


def run(arguments: Sequence[str]) -> int:
    """Score the runs of sweeps, and say what they came to."""
    given = _parser().parse_args(arguments)
    if told := comet_refusal(given.python, "--python"):
        raise UserError(told)
    found, _ = gather(given.what, given.output_dir, whole=True)
    asked = Comet(given.model, given.python, given.batch_size)
    for folder, record in complete(found, asked, given.output_dir):
        score = record.scores["comet"]
        name = "base" if record.kind == "base" else "run"
        print(f"{folder.id}  {name:<4}  {LABELS['comet']} {score.value:.1f} ({score.signature})")
    return 0


def _parser() -> argparse.ArgumentParser:
    usual = EvaluationConfig.model_fields
    parser = argparse.ArgumentParser(
        prog="python -m mtsweep comet",
        description="Score finished runs with COMET, in a process of its own: each source, "
        "hypothesis and reference once. Afterwards compare and report show it.",
    )
    parser.add_argument(
        "what",
        nargs="*",
        metavar="SWEEP_OR_RUN",
        help="sweeps (name or folder) and run folders; none: the newest sweep",
    )
    parser.add_argument("--python", help="a Python that has unbabel-comet; else this one")
    parser.add_argument(
        "--model",
        default=usual["comet_model"].default,
        help="of the hub, or a checkpoint's path; default: %(default)s",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        default=usual["comet_batch_size"].default,
        help="texts at once; default: %(default)s",
    )
    parser.add_argument(
        "--output-dir", type=Path, default=Path(), help="folder with runs/ and sweeps/"
    )
    return parser
