"""``mtsweep translate``: line in, line out, with the model of a run."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mtsweep.bar import bar
from mtsweep.errors import UserError

if TYPE_CHECKING:
    from mtsweep.export.use import Converted
    from mtsweep.serve.resolve import Chosen
    from mtsweep.serve.translator import Translator

_SAMPLE = 16
"""Lines at most that are translated by transformers too."""


@dataclass
class _Outcome:
    """What became of the lines."""

    lines: int = 0
    unstopped: int = 0
    split: int = 0


def run(arguments: Sequence[str]) -> int:
    """Translate what was given, to a file or to standard output."""
    given = _parser().parse_args(arguments)
    _check_target(given)
    chosen, converted = _chosen(given)
    with _lines(given) as lines:
        if given.to is None:
            outcome = _to_output(given, chosen, converted, lines)
        else:
            outcome = _to_file(given, chosen, converted, lines)
    if outcome.split and not given.sentences:
        _say(
            f"note: {outcome.split} of {outcome.lines} lines did not fit into the model's context; "
            "their sentences were translated one by one and joined"
        )
    if outcome.unstopped:
        _say(
            f"warning: {outcome.unstopped} of {outcome.lines} outputs did not stop by themselves "
            "and are cut off; the model may repeat itself or go on behind the translation"
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
        "sweep, whose best run is taken (of a search what the dev set chose); a folder of "
        "`export --format ctranslate2`; none: the "
        "untouched default model, English to Spanish",
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
    _add_settings(parser)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """How the lines are translated."""
    for option, side in (("--from", "source"), ("--into", "target")):
        parser.add_argument(
            option,
            dest=f"{side}_lang",
            metavar="LANGUAGE",
            help=f"{side} language, such as eng_Latn or en; needed where the run has several pairs",
        )
    parser.add_argument("--beam", type=_positive, help="beams; default: as the run was scored")
    parser.add_argument(
        "--batch",
        type=_batch,
        default="auto",
        metavar="N",
        help="lines at once; default: auto, as the run was scored, and fewer where lines are long",
    )
    parser.add_argument(
        "--sentences",
        action="store_true",
        help="translate every sentence by itself; default: only where a line does not fit into "
        "the model's context",
    )
    parser.add_argument(
        "--engine",
        choices=("transformers", "ctranslate2"),
        default="transformers",
        help="ctranslate2 converts the run once, into the cache; some lines are translated by "
        "transformers too, and a difference is told",
    )
    parser.add_argument(
        "--device",
        default="auto",
        help="cpu, cuda, cuda:1, …; default: auto, the first GPU, or the CPU",
    )
    parser.add_argument(
        "--output-dir", type=Path, default=Path(), help="folder with runs/ and sweeps/"
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up")
    return int(text)


def _batch(text: str) -> int | None:
    return None if text == "auto" else _positive(text)


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


def _chosen(given: argparse.Namespace) -> tuple[Chosen, Converted | None]:
    """What to translate with, and its folder for CTranslate2 where that is asked for."""
    from mtsweep.export import use
    from mtsweep.serve import resolve

    asked = given.source_lang, given.target_lang
    if use.is_exported(given.run):
        converted = use.read(Path(given.run))
        return _decoded(given, use.chosen(converted, asked)), converted
    chosen = resolve.choose(given.run, given.output_dir, asked)
    if chosen.config.data.is_chat:
        raise UserError(
            f"{chosen.name}: this run is of conversations, and does not translate; "
            f"`python -m mtsweep app {chosen.name}` talks with it"
        )
    if chosen.strange:
        _say(f"warning: {chosen.name} was not tuned on this language pair")
    converted = None
    if given.engine == "ctranslate2":
        if given.run is None:
            raise UserError("--engine ctranslate2: name a run, or a folder that was exported")
        from mtsweep import device, export
        from mtsweep.serve.translator import quiet

        source = export.source(given.run, given.output_dir)
        device.use(given.device)
        with quiet():
            converted = use.of_run(source, _say)
    return _decoded(given, chosen), converted


def _decoded(given: argparse.Namespace, chosen: Chosen) -> Chosen:
    """With the beams and the batch size that were asked for."""
    config = chosen.config
    asked = {"num_beams": given.beam, "batch_size": given.batch}
    changed = {key: value for key, value in asked.items() if value is not None}
    decoding = config.decoding.model_copy(update=changed)
    return replace(chosen, config=config.model_copy(update={"decoding": decoding}))


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
def _open(
    given: argparse.Namespace, chosen: Chosen, converted: Converted | None
) -> Iterator[Translator]:
    """The translator, with libraries' remarks kept off the terminal."""
    from mtsweep import device
    from mtsweep.export import use
    from mtsweep.serve.translator import TOKENS, opened, quiet

    device.use(given.device)
    data = chosen.config.data
    by = "" if converted is None else ", by CTranslate2"
    _say(f"{chosen.name}: {chosen.config.model.name}, {data.source_lang} to {data.target_lang}{by}")
    if converted is None:
        place = opened(chosen.config, chosen.trained, chosen.known, chosen.shots)
    else:
        place = use.opened(converted, chosen)
    with quiet(), place as translator:
        translator.tokens = TOKENS if given.batch is None else None
        translator.sentences = given.sentences
        yield translator


def _compared(
    chosen: Chosen, converted: Converted | None, lines: Iterator[str], translator: Translator
) -> Iterator[str]:
    """The lines; some of the first are translated by transformers too, and differences are told."""
    if converted is None:
        return lines
    # A folder, without its run.
    if chosen.trained is None and converted.told["tuning"] != "untouched":
        if (share := converted.share) is not None and share < 1:
            _say(f"note: of the test set, {share:.1%} were as scored when this was exported")
        return lines
    from mtsweep.serve.lines import PIECE
    from mtsweep.serve.translator import opened

    begun = list(itertools.islice(lines, PIECE))
    full = list(dict.fromkeys(line for line in begun if line.strip()))
    sample = full[:: max(1, len(full) // _SAMPLE)][:_SAMPLE]
    if sample:
        said = translator.translate(sample)
        translator.split = 0
        with opened(chosen.config, chosen.trained, chosen.known, chosen.shots) as other:
            other.sentences = translator.sentences
            wanted = other.translate(sample)
        same = sum(a.text == b.text for a, b in zip(said, wanted, strict=True))
        if same < len(sample):
            _say(
                f"warning: of {len(sample)} lines that were tried with transformers too, "
                f"{same} ({same / len(sample):.0%}) are the same"
            )
    return itertools.chain(begun, lines)


def _to_output(
    given: argparse.Namespace,
    chosen: Chosen,
    converted: Converted | None,
    lines: Iterator[str],
) -> _Outcome:
    from mtsweep.serve.lines import translated

    outcome = _Outcome()
    with _open(given, chosen, converted) as translator:
        lines = _compared(chosen, converted, lines, translator)
        for _, out, cut in translated(translator, lines):
            print("\n".join(out), flush=True)
            outcome.unstopped += cut
            outcome.lines += sum(map(bool, out))
        outcome.split = translator.split
    return outcome


def _to_file(
    given: argparse.Namespace,
    chosen: Chosen,
    converted: Converted | None,
    lines: Iterator[str],
) -> _Outcome:
    from mtsweep.serve.lines import Draft, translated

    target = given.to
    decoding = chosen.config.decoding.model_dump(exclude={"batch_size"})
    data = chosen.config.data
    maker = [chosen.name, decoding, given.sentences, data.source_lang, data.target_lang]
    if converted is not None:
        maker.append(converted.told["made"])
    draft = Draft(target, json.dumps(maker))
    with _writing(target):
        left = draft.resume(lines)
    if draft.lines:
        _say(f"{target}: goes on behind line {draft.lines}")
    counted = bar("lines", lambda: _lines_in(given), draft.lines)
    with _open(given, chosen, converted) as translator, counted as advance:
        left = _compared(chosen, converted, left, translator)
        pieces = translated(translator, left, lambda done: advance(draft.lines + done))
        for piece, out, cut in pieces:
            with _writing(target):
                draft.add(piece, out, cut)
            advance(draft.lines)
        split = translator.split
    with _writing(target):
        draft.finish()
    _say(f"{target}: {draft.lines} lines")
    return _Outcome(draft.lines, draft.unstopped, split)


def _lines_in(given: argparse.Namespace) -> int | None:
    """How many lines there are to translate, where that can be known."""
    from mtsweep.serve.lines import count

    return None if given.file is None else count(given.file)


@contextlib.contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"--to {target}: cannot be written ({error.strerror})") from error


def _say(text: str) -> None:
    print(text, file=sys.stderr)
