"""``mtsweep export``: a run's model as a folder that others use, checked against its scores."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mtsweep.bar import bar
from mtsweep.errors import RunFailedError, UserError
from mtsweep.scores import LABELS, gained, rounded

if TYPE_CHECKING:
    from mtsweep.export import Artefact, Check, Form, Source


def run(arguments: Sequence[str]) -> int:
    """Write a run's model into a folder, once it is shown to say what was scored."""
    given = _parser().parse_args(arguments)
    from mtsweep import export

    source = export.source(given.run, given.output_dir)
    form = _form(given, source)
    export.refuse(source, form, given.quantise, given.converter)
    from mtsweep import device
    from mtsweep.serve.translator import quiet

    with export.drafted(given.to) as draft, quiet():
        device.use(given.device)
        _say(f"{source.id}: {source.label}; as {form}{_quantised(given.quantise)}")
        artefact = export.make(source, draft, form, given.quantise, given.converter, _note)
        with bar("test set again", lambda: len(source.rows)) as advance:
            checked = export.again(artefact, advance)
        _tell(source, checked)
        if checked.lost and not given.accept_loss:
            names = " and ".join(LABELS[name] for name in checked.lost)
            raise RunFailedError(
                f"{source.id}: what was exported is worse in {names} than what was scored, by more "
                f"than chance; {given.to} is not written (--accept-loss writes it all the same)"
            )
        export.account(artefact, checked, accepted=given.accept_loss)
        files = artefact.files
    _written(given.to, artefact, files)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mtsweep export",
        description="Write the model of a finished run into a folder that stock libraries load. "
        "The run's test set is translated again with what is in the folder; where that is worse "
        "than what was scored, and by more than chance, nothing is written and the exit code is 1.",
    )
    parser.add_argument("run", metavar="RUN", help="as for translate: an id, 'best', a folder, …")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="new, or empty")
    parser.add_argument(
        "--format",
        choices=("peft", "merged", "ctranslate2", "gguf"),
        help="default: the adapter, or the whole model where every weight was trained",
    )
    parser.add_argument("--merge", action="store_true", help="the same as --format merged")
    parser.add_argument(
        "--quantise", choices=("int8",), help="8-bit weights, with --format ctranslate2 or gguf"
    )
    parser.add_argument(
        "--accept-loss", action="store_true", help="write it although it is worse; told in it"
    )
    parser.add_argument(
        "--converter",
        type=Path,
        help="llama.cpp's convert_hf_to_gguf.py; default: in $LLAMA_CPP, or on the path",
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, …; default: auto")
    parser.add_argument(
        "--output-dir", type=Path, default=Path(), help="folder with runs/ and sweeps/"
    )
    return parser


def _form(given: argparse.Namespace, source: Source) -> Form:
    from mtsweep.export import natural

    if given.merge and given.format not in (None, "merged"):
        raise UserError(f"--merge: --format {given.format} says otherwise; leave one out")
    return "merged" if given.merge else given.format or natural(source)


def _quantised(quantise: str | None) -> str:
    return f", {quantise}" if quantise else ""


def _tell(source: Source, checked: Check) -> None:
    print(
        f"test set translated again: {checked.equal} of {checked.segments} segments "
        f"({checked.share:.1%}) are what was scored"
    )
    for each in checked.differences:
        name = each.metric
        print(
            f"{LABELS[name]:<8} {rounded(name, each.before.value)} -> "
            f"{rounded(name, each.after.value)}  {gained(name, each.difference)} "
            f"[{gained(name, each.low)}, {gained(name, each.high)}]  "
            f"p {each.p_holm:.3f} (bootstrap {each.p_bootstrap:.3f}, "
            f"randomisation {each.p_randomised:.3f}){'  worse' if each.lost else ''}"
        )
    for text, before, after in checked.examples:
        print(f"  {text!r}\n    scored   {before!r}\n    exported {after!r}")
    if source.config.data.is_chat:
        print("of conversations the answers are compared; their losses are not taken again")


def _written(target: Path, artefact: Artefact, files: dict[str, int]) -> None:
    total = sum(files.values())
    print(f"{target}: {artefact.form}, {total / 1e6:.1f} MB in {len(files)} files")
    for name, size in files.items():
        print(f"  {size / 1e6:>8.2f} MB  {name}")


def _note(text: str) -> None:
    _say(f"note: {text}")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
