"""``mtsweep translate``: line in, line out, with the model of a run."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtsweep.errors import UserError

if TYPE_CHECKING:
    from mtsweep.config import RunConfig
    from mtsweep.data.shots import Shots


@dataclass(frozen=True)
class _Chosen:
    """The model that was asked for."""

    name: str
    config: RunConfig
    trained: Path | None
    known: tuple[tuple[str, str], ...]
    shots: Shots | None = None


def run(arguments: Sequence[str]) -> int:
    """Translate what was given, to a file or to standard output."""
    given = _parser().parse_args(arguments)
    _check_target(given)
    chosen = _chosen(given)
    with _lines(given) as lines:
        if given.to is None:
            unstopped, count = _to_output(chosen, lines)
        else:
            unstopped, count = _to_file(chosen, lines, given.to)
    if unstopped:
        _say(
            f"warning: {unstopped} of {count} outputs did not stop by themselves and are cut off; "
            "the model may repeat itself or go on behind the translation"
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mtsweep translate",
        description="Translate lines with the model of a finished run, loaded, prompted and "
        "decoded as it was scored. The output has as many lines as the input; empty lines stay "
        "empty.",
    )
    parser.add_argument(
        "run",
        nargs="?",
        metavar="RUN",
        help="id or its beginning, a run folder, 'best' (by chrF, of the newest sweep), or a "
        "sweep, whose best run is taken; none: the untouched default model, English to Spanish",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--text", action="append", help="a text (may be given again); prints lines")
    what.add_argument("--file", type=Path, help="a file of lines (UTF-8); default: standard input")
    parser.add_argument(
        "--to",
        type=Path,
        help="file for the translations; until it is whole it is called FILE.draft, and the same "
        "command goes on with it after an interruption",
    )
    parser.add_argument("--beam", type=_positive, help="beams; default: as the run was scored")
    parser.add_argument("--batch", type=_positive, help="lines at once; default: likewise")
    parser.add_argument(
        "--output-dir", type=Path, default=Path(), help="folder with runs/ and sweeps/"
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up")
    return int(text)


def _check_target(given: argparse.Namespace) -> None:
    """Say what is wrong with the files before a model is loaded."""
    if given.file is not None and not given.file.is_file():
        raise UserError(f"--file {given.file}: there is no such file")
    if given.to is None:
        return
    if given.to.is_dir() or not given.to.absolute().parent.is_dir():
        raise UserError(f"--to {given.to}: not a file in an existing folder")
    if given.file is not None and given.to.exists() and given.to.samefile(given.file):
        raise UserError(f"--to {given.to}: is the file that is read; choose another")


def _chosen(given: argparse.Namespace) -> _Chosen:
    from mtsweep.serve import resolve

    if given.run is None:
        chosen = _Chosen("untouched", resolve.untouched(), None, ())
    else:
        folder, record = resolve.find(given.run, given.output_dir)
        if resolve.configuration(folder).data.is_chat:
            raise UserError(
                f"{folder.id}: this run is of conversations, and does not translate; what it "
                f"answers stands in {folder.path / 'samples.md'}"
            )
        rows = folder.predictions("test")
        config = resolve.configuration(folder)
        chosen = _Chosen(
            folder.id,
            config,
            resolve.weights(folder, record),
            tuple((row["source"], row["reference"]) for row in rows),
            resolve.examples(folder, config),
        )
    asked = {"num_beams": given.beam, "batch_size": given.batch}
    changed = {key: value for key, value in asked.items() if value is not None}
    decoding = chosen.config.decoding.model_copy(update=changed)
    return replace(chosen, config=chosen.config.model_copy(update={"decoding": decoding}))


@contextlib.contextmanager
def _lines(given: argparse.Namespace) -> Iterator[Iterator[str]]:
    from mtsweep.serve.lines import lines_of

    if given.text is not None:
        yield iter([line for text in given.text for line in text.split("\n")])
    elif given.file is not None:
        with given.file.open("rb") as file:
            yield lines_of(file, str(given.file))
    else:
        if sys.stdin.isatty():
            _say("Reading lines from the keyboard; end with Ctrl-D.")
        yield lines_of(sys.stdin.buffer, "standard input")


@contextlib.contextmanager
def _open(chosen: _Chosen) -> Iterator[Any]:
    """The translator, with libraries' remarks kept off the terminal."""
    from mtsweep.serve.translator import opened, quiet

    data = chosen.config.data
    _say(f"{chosen.name}: {chosen.config.model.name}, {data.source_lang} to {data.target_lang}")
    with quiet(), opened(chosen.config, chosen.trained, chosen.known, chosen.shots) as translator:
        yield translator


def _to_output(chosen: _Chosen, lines: Iterator[str]) -> tuple[int, int]:
    from mtsweep.serve.lines import translated

    unstopped = count = 0
    with _open(chosen) as translator:
        for _, out, cut in translated(translator, lines):
            print("\n".join(out), flush=True)
            unstopped, count = unstopped + cut, count + sum(map(bool, out))
    return unstopped, count


def _to_file(chosen: _Chosen, lines: Iterator[str], target: Path) -> tuple[int, int]:
    from mtsweep.serve.lines import Draft, translated

    decoding = chosen.config.decoding.model_dump(exclude={"batch_size"})
    draft = Draft(target, json.dumps([chosen.name, decoding]))
    with _writing(target):
        left = draft.resume(lines)
    if draft.lines:
        _say(f"{target}: goes on behind line {draft.lines}")
    with _open(chosen) as translator:
        for piece, out, cut in translated(translator, left):
            with _writing(target):
                draft.add(piece, out, cut)
            if sys.stderr.isatty():
                print(f"\r{draft.lines} lines", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        _say("")
    with _writing(target):
        draft.finish()
    _say(f"{target}: {draft.lines} lines")
    return draft.unstopped, draft.lines


@contextlib.contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"--to {target}: cannot be written ({error.strerror})") from error


def _say(text: str) -> None:
    print(text, file=sys.stderr)
