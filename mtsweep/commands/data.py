"""``mtsweep data``: what the pairs of a command are, before anything is trained; without torch."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mtsweep import data, terminal
from mtsweep.compose import Job, compose
from mtsweep.config import DataConfig
from mtsweep.data.survey import Stage, Survey, survey, visible
from mtsweep.errors import ConfigError, Problem, UserError
from mtsweep.record import write
from mtsweep.report import datapage
from mtsweep.report.datapage import Subject

_SHOWN = 300
_LEAKS = 5
_HELP = """\
usage: python -m mtsweep data [-m] [--strict] [overrides, as for a sweep]

Prints where the pairs come from, how many every step leaves, their languages and lengths, ten
samples, the leaks found and the fingerprint, and writes all of it with histograms and examples of
what was left out to data.html (in output_dir). Nothing is trained and no model is loaded.
Files of any size are read: pairs that memory has no room for lie on disk, in $MTSWEEP_CACHE.

  --strict    any malformed row is an error, told by file, line and reason (data.strict=true)"""


def run(arguments: Sequence[str]) -> int:
    """Look the data of ``arguments`` (Hydra's) over."""
    if set(arguments) & {"-h", "--help"}:
        print(_HELP)
        return 0
    asked = ["data.strict=true" if each == "--strict" else each for each in arguments]
    jobs = compose(asked, lambda _: None)
    if not jobs:
        raise UserError("data: works with hydra/launcher=local, which gets all runs at once")
    command = shlex.join(["python", "-m", "mtsweep", "data", *arguments])
    subjects = list(_subjects(_distinct(jobs), command))
    out = terminal.console()
    for subject in subjects:
        _print(out, subject)
    page = Path(jobs[0].config.output_dir) / "data.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    write(page, datapage.render(subjects))
    out.print(Text.assemble(("page     ", "bold"), str(page)))
    return 0


def _distinct(jobs: Iterable[Job]) -> dict[DataConfig, str]:
    """The data sections of a command, each with what tells it from the others."""
    found: dict[DataConfig, str] = {}
    for job in jobs:
        found.setdefault(job.config.data, job.overrides)
    return found


def _subjects(sections: dict[DataConfig, str], command: str) -> Iterator[Subject]:
    problems: list[Problem] = []
    for section, overrides in sections.items():
        name = f"{section.name}, {overrides}" if len(sections) > 1 and overrides else section.name
        try:
            found = survey(data.load(section))
        except UserError as error:
            key, _, complaint = str(error).partition(": ")
            problems.append(Problem(key, complaint, overrides))
            if len(sections) == 1:
                raise
            continue
        yield Subject(name, command, section.source, found)
    if problems:
        raise ConfigError(problems)


def _print(out: Console, subject: Subject) -> None:
    found = subject.survey
    out.print(Text(subject.name, style="bold cyan"))
    grid = Table.grid(padding=(0, 2))
    for name, value in _facts(subject):
        grid.add_row(Text(name, style="bold"), Text(value))
    out.print(grid)
    for title, stages in (("pairs", found.stages), ("synthetic pairs", found.synthetic_stages)):
        if stages:
            out.print()
            out.print(_funnel(title, stages))
    _lengths(out, found)
    _samples(out, found)
    _leaks(out, found)
    out.print()


def _facts(subject: Subject) -> Iterator[tuple[str, str]]:
    found = subject.survey
    for number, pair in enumerate(found.pairs):
        yield "" if number else "languages", datapage.direction_of(*pair)
    for number, line in enumerate(found.provenance or (subject.source,)):
        yield "" if number else "read from", visible(line)
    if len(found.origins) > 1:
        few = [f"{visible(name, 40)} {train:,}" for name, train, _, _ in found.origins[:8]]
        more = f", … and {len(found.origins) - 8} more" if len(found.origins) > 8 else ""
        yield "origins", ", ".join(few) + more
    yield "split", f"{found.train:,} train, {found.dev:,} dev, {found.test:,} test"
    for number, told in enumerate(found.told):
        yield (
            "" if number else "told as",
            f"{datapage.told_of(told)}: {datapage.told_found(told)}",
        )
    yield "fingerprint", found.fingerprint
    yield "of the test", found.test_fingerprint
    for number, line in enumerate(found.malformed):
        yield "" if number else "malformed", visible(line)


def _funnel(title: str, stages: Sequence[Stage]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(title)
    for heading in ("left", "taken out", "changed", "(of dev and test)"):
        table.add_column(heading, justify="right")
    for stage in stages:
        changed, held_out = (
            (stage.step.changed, stage.step.held_out) if stage.step is not None else (0, 0)
        )
        cells = [f"{count:,}" if count else "" for count in (stage.out, changed, held_out)]
        cells[2] = f"({cells[2]})" if cells[2] else ""
        table.add_row(Text(visible(stage.name)), f"{stage.left:,}", *cells)
    return table


def _lengths(out: Console, found: Survey) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("training pairs")
    for heading in ("mean", "5 %", "median", "95 %", "most"):
        table.add_column(heading, justify="right")
    for name, spread in found.spreads:
        table.add_row(name, *datapage.spread_cells(spread))
    out.print()
    out.print(table)


def _samples(out: Console, found: Survey) -> None:
    out.print()
    for pair in found.samples:
        source, target = pair.languages or found.pairs[0][:2]
        out.print(Text(visible(pair.id, 100), style="dim"))
        for code, text in ((source, pair.source), (target, pair.target)):
            shown = Text.assemble((f"  {code[:3]}  ", "dim"), _isolated(visible(text, _SHOWN)))
            out.print(shown, soft_wrap=True)


def _isolated(text: str) -> str:
    """Text of any direction that leaves the direction of its line alone."""
    if text.isascii() or not any(unicodedata.bidirectional(sign) in {"R", "AL"} for sign in text):
        return text
    return f"\u2068{text}\u2069"


def _leaks(out: Console, found: Survey) -> None:
    out.print()
    if not found.leaks:
        out.print(Text("no leaks: no training pair was found to repeat a dev or test text"))
        return
    out.print(Text(f"{len(found.leaks):,} leaks taken out of train", style="bold"))
    for leak in found.leaks[:_LEAKS]:
        where = f"  {leak.train} has the {leak.side} of {leak.held_out} ({leak.similarity:.2f}): "
        out.print(Text.assemble(visible(where), _isolated(visible(leak.text, 80))))
    if len(found.leaks) > _LEAKS:
        out.print(Text(f"  … and {len(found.leaks) - _LEAKS} more", style="dim"))
