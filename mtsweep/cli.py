"""The command line: the only place that prints and exits."""

from __future__ import annotations

import csv
import logging
import os
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from mtsweep import __version__, commands
from mtsweep.errors import MtsweepError, RunFailedError, UserError

if TYPE_CHECKING:
    from rich.console import Console

    from mtsweep.compare import Comparison
    from mtsweep.compare.settings import Found
    from mtsweep.compose import Job
    from mtsweep.compose import Search as Asked
    from mtsweep.config import SweepConfig, TrackingConfig
    from mtsweep.config.launcher import Launcher
    from mtsweep.plan import Plan, Run
    from mtsweep.sweep.engine import Failure
    from mtsweep.sweep.search import Search
    from mtsweep.sweep.slots import Slot
    from mtsweep.table import Row

_INTERRUPTED = 130
_TERMINATED = 143
_UNREAD = 141
"""As a shell tells a program that ended with SIGPIPE."""

_EXAMPLES = """\
  python -m mtsweep -m lora.r=8,16                        two adapters, compared with the base model
  python -m mtsweep data.target_lang=deu_Latn             one run, English to German
  python -m mtsweep -m data.size=100,200,400              does more data help?
  python -m mtsweep -m model=qwen,llama lora.r=8,16       two models from the hub, two ranks each
  python -m mtsweep data=files data.train_file=my.jsonl data.source_lang=eng_Latn \\
      data.target_lang=fra_Latn lora=qlora                your own pairs, QLoRA"""


def main() -> None:
    """Run a command line and exit with its code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:  # whoever read the output (`| head`) has seen enough
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        code = _UNREAD
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command line: help, a subcommand, or what Hydra composes from it.

    Returns:
        0 all finished; 1 a run failed; 2 something the user can mend; 130 or 143 interrupted.
    """
    told = _told(arguments)
    if told is not None:
        print(told)
        return 0
    # Libraries warn before a run's log is open; without any handler Python prints that.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        return _carry_out(arguments)
    except MtsweepError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except SystemExit as parsed:  # argparse printed help, or what is wrong
        return int(parsed.code or 0)
    except KeyboardInterrupt as interrupt:
        again = shlex.join(["python", "-m", "mtsweep", *arguments])
        print(f"\nInterrupted. Finished runs are kept; to go on:\n  {again}", file=sys.stderr)
        return _TERMINATED if isinstance(interrupt, Terminated) else _INTERRUPTED


def _told(arguments: Sequence[str]) -> str | None:
    """What ``--help`` and ``--version`` print; a subcommand has help of its own."""
    if arguments and arguments[0] in commands.COMMANDS:
        return None
    if set(arguments) & {"-h", "--help"}:
        return help_text()
    return f"mtsweep {__version__}" if "--version" in arguments else None


def _carry_out(arguments: Sequence[str]) -> int:
    """A subcommand, or else a sweep."""
    if arguments and arguments[0] in commands.COMMANDS:
        return commands.find(arguments[0]).run(arguments[1:])
    from mtsweep import compose

    jobs = compose.asked(arguments, lambda jobs: _sweep(jobs, arguments))
    if isinstance(jobs, compose.Search):
        _search(jobs, arguments)
    elif jobs:
        _sweep(jobs, arguments)
    return 0


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends like Ctrl-C, with an exit code of its own."""


def _terminate(number: int, frame: object) -> None:  # noqa: ARG001 - what signal calls
    raise Terminated


def _sweep(jobs: Sequence[Job], arguments: Sequence[str]) -> None:
    from mtsweep import plan as plans
    from mtsweep import terminal
    from mtsweep.config.launcher import describe
    from mtsweep.sweep import memory
    from mtsweep.sweep.engine import Failure
    from mtsweep.sweep.slots import slots
    from mtsweep.table import rows

    out = terminal.console()
    plan = plans.make(jobs)
    sweep, launcher = jobs[0].config.sweep, jobs[0].launcher
    here = launcher.kind == "local"
    places = slots(sweep, plan.processes) if here else []
    if sweep.dry_run:
        terminal.planned(out, plan)
        return
    # What a job's machine has is not known before it runs there.
    left_out = memory.refused(plan, sweep) if here else {}
    folder = _sweep_folder(plan, arguments, [run.id for run in plan.runs])
    failures = {run.id: Failure(run, left_out[run.id]) for run in plan.runs if run.id in left_out}
    plan = memory.without(plan, left_out)
    if plan.groups:
        terminal.banner(out, plan, "" if here else describe(launcher))
        told = _drive(plan, sweep, places, out) if here else _send(plan, sweep, launcher, out)
        failures |= {failure.run.id: failure for failure in told}
    _comet(plan)
    table = rows(plan, {run_id: failure.reason for run_id, failure in failures.items()})
    _tabulate(out, folder, table)
    anew = bool(plan.groups) or not (folder / "report.html").is_file()
    comparison = _judge(out, table, folder, anew=anew)
    _conclude(out, plan, comparison, anew=bool(plan.groups))
    for failure in failures.values():
        _tell_failure(failure.run, failure.reason)
    if failures:
        raise RunFailedError(f"{len(failures)} of {len(plan.runs)} runs failed")


def _search(asked: Asked, arguments: Sequence[str]) -> None:
    """Try settings until there are enough, and compare the best of them with the base row."""
    from mtsweep import terminal, trials
    from mtsweep.sweep import searches
    from mtsweep.sweep.slots import slots
    from mtsweep.table import rows

    out = terminal.console()
    prepared = searches.prepare(asked)
    sweep = prepared.config
    places = slots(sweep, prepared.corners.processes)
    if sweep.dry_run:
        trials.planned(out, prepared, prepared.there())
        return
    known = [run_id for trial in prepared.there() for run_id in trial.runs]
    folder = _sweep_folder(prepared.corners, arguments, known)
    with searches.alone(folder, out.print):
        study = prepared.study()
        search = searches.begin(prepared, study)
        if anew := search.open:
            told = trials.lines(prepared, study.trials())
            terminal.banner(out, prepared.corners, search=told)
            _drive(replace(prepared.corners, groups=()), sweep, places, out, search)
        found = searches.outcome(prepared, study)
    _comet(found.plan)
    table = rows(found.plan, found.failed, found.pruned)
    _tabulate(out, folder, table)
    # The dev set has chosen: how the others did on the test set is shown, and judged by nobody.
    chosen = [run.id for run in found.of(found.best)] if found.best else []
    said = trials.told(found, prepared)
    outcome = {"search": {"said": said, "chosen": chosen}}
    _sweep_folder(found.plan, arguments, [run.id for run in found.plan.runs], outcome)
    out.print()
    for sentence in said:
        out.print(sentence, markup=False)
    judged = [
        row for row in table if row.kind == "base" or (row.folder and row.folder.id in chosen)
    ]
    comparison = _judge(out, judged, folder, anew=True)
    _conclude(out, found.plan, comparison, anew=anew)
    for run in found.plan.runs:
        if run.id in found.failed:
            _tell_failure(run, found.failed[run.id])
    if failed := found.counts["failed"]:
        raise RunFailedError(f"{failed} of {len(found.trials)} trials failed")


def _tabulate(out: Console, folder: Path, table: list[Row]) -> None:
    """Show and write the scores."""
    from mtsweep import byparts, terminal
    from mtsweep.record import write
    from mtsweep.table import as_csv

    write(folder / "table.csv", as_csv(table))
    terminal.show(out, table)
    told = [(row.label, row.record) for row in table if row.record is not None]
    if parts := byparts.by_parts(told):
        terminal.parts(out, parts)
        write(folder / "parts.csv", byparts.as_csv(told))


def _conclude(out: Console, plan: Plan, comparison: Comparison | None, *, anew: bool) -> None:
    """Write the report, mirror it, and say where everything lies."""
    from mtsweep import terminal

    folder = plan.folder
    if plan.runs and (anew or not (folder / "report.html").is_file()):
        _report(folder, comparison)
    tracker = plan.runs[0].config.tracking if plan.runs and anew else None
    mirrored = _mirrored(tracker, folder, comparison) if tracker else []
    terminal.epilogue(out, plan, folder, mirrored)


def _tell_failure(run: Run, reason: str) -> None:
    print(f"failed: {run.label}: {reason}\n  log: {run.folder.log}", file=sys.stderr)


def _comet(plan: Plan) -> None:
    """Score what asks for COMET; the sweep is through, so a hindrance is only told."""
    from mtsweep.evaluation.comet import Comet, complete

    wanted: dict[Comet, dict[str, Found]] = {}
    for run in plan.runs:
        asked = run.config.evaluation
        if "comet" in asked.metrics:
            comet = Comet(asked.comet_model, asked.comet_python, asked.comet_batch_size)
            for folder in (run.base_folder, run.folder):
                if (record := folder.record()) is not None:
                    wanted.setdefault(comet, {})[folder.id] = (folder, record)
    for comet, found in wanted.items():
        try:
            complete(list(found.values()), comet, plan.output)
        except MtsweepError as error:
            print(f"no COMET: {error}\n  the same command tries again", file=sys.stderr)


def _judge(out: Console, table: Sequence[Row], folder: Path, *, anew: bool) -> Comparison | None:
    """Say what the scores allow to be said; the sweep is through, so a hindrance is only told.

    Returns:
        The comparison; ``None`` where there is none, or where none is wanted ``anew`` and what was
        said of the same records is said again.
    """
    from mtsweep import verdicts
    from mtsweep.compare import compare
    from mtsweep.compare.kept import keep, kept

    found = [(row.folder, row.record) for row in table if row.folder and row.record]
    if len(found) < 2:
        return None
    if not anew and (sentences := kept(folder, found)) is not None:
        verdicts.words(out, sentences)
        return None
    try:
        comparison = compare(found)
    except UserError as error:
        print(f"no judgement: {error}", file=sys.stderr)
        return None
    keep(folder, found, comparison)
    verdicts.words(out, comparison.sentences)
    return comparison


def _report(folder: Path, comparison: Comparison | None) -> None:
    """Write the sweep's report; the sweep is through, so whatever goes wrong here is only told."""
    from mtsweep.report import write_report

    try:
        write_report(folder, comparison=comparison)
    except Exception as error:  # noqa: BLE001 - records are finished, and a report can be made anew
        again = shlex.join(["python", "-m", "mtsweep", "report", str(folder)])
        told = str(error) if isinstance(error, MtsweepError) else f"{type(error).__name__}: {error}"
        print(f"no report: {told}\n  to try again: {again}", file=sys.stderr)


def _mirrored(config: TrackingConfig, folder: Path, comparison: Comparison | None) -> list[str]:
    """Give the trackers the comparison and the report; says how to get at them."""
    from mtsweep import tracking

    if not (folder / "report.html").is_file():
        return []
    text = (folder / "table.csv").read_text(encoding="utf-8")
    outcome = tracking.Outcome(
        table=list(csv.reader(text.splitlines())),
        judgement=comparison.sentences if comparison else (),
        files=[folder / name for name in ("report.html", "report.md", "pictures", "table.csv")],
    )
    return tracking.publish(config, folder, outcome)


def _drive(
    plan: Plan,
    sweep: SweepConfig,
    places: Sequence[Slot],
    out: Console,
    search: Search | None = None,
) -> list[Failure]:
    from mtsweep import progress
    from mtsweep.sweep.engine import drive

    with progress.LiveTable(out, plan) if out.is_terminal else progress.Plain(out) as look:
        if search is None:
            return drive(plan, sweep, places, look)
        search.say = look.said
        return drive(plan, sweep, places, look, search)


def _send(plan: Plan, sweep: SweepConfig, launcher: Launcher, out: Console) -> list[Failure]:
    """Do the runs in jobs of a scheduler."""
    from mtsweep import progress
    from mtsweep.sweep.away.choose import scheduler
    from mtsweep.sweep.away.drive import drive

    there = scheduler(launcher, sweep)
    with progress.LiveTable(out, plan) if out.is_terminal else progress.Plain(out) as look:
        return drive(plan, sweep, there, look)


def _sweep_folder(
    plan: Plan,
    arguments: Sequence[str],
    run_ids: Sequence[str],
    outcome: Mapping[str, object] | None = None,
) -> Path:
    """Make the sweep's folder, before anything else: an unwritable place is told early."""
    from mtsweep.compose import question
    from mtsweep.record import write

    folder = plan.output / "sweeps" / plan.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        command = shlex.join(["python", "-m", "mtsweep", *arguments])
        told = {"command": command, **question(arguments), "runs": [*run_ids], **(outcome or {})}
        write(folder / "sweep.yaml", yaml.safe_dump(told, sort_keys=False))
    except OSError as error:
        raise UserError(
            f"output_dir: cannot write to {folder} ({error.strerror}); choose another output_dir"
        ) from error
    return folder


def help_text() -> str:
    """Groups, their options with a line each, and examples."""
    from mtsweep.compose import groups

    lines = [
        "mtsweep fine-tunes translation models in sweeps and ends with a comparison.",
        "",
        "usage: python -m mtsweep [-m] [group=option ...] [group.key=value ...]",
        "       python -m mtsweep COMMAND ... (COMMAND --help tells more)",
        "       -m: several values, separated by commas, make a sweep",
        "",
        "commands:",
        *(f"  {name:<10}  {told}" for name, told in commands.COMMANDS.items()),
        "",
    ]
    for group, options in groups().items():
        if not options:
            continue
        lines.append(f"{group}=")
        width = max(map(len, options))
        lines.extend(f"  {option:<{width}}  {told}" for option, told in options.items())
        lines.append("")
    lines += [
        "Keys are PEFT's (lora.r, lora.lora_alpha, …) and TrainingArguments' own "
        "(trainer.learning_rate, …);",
        "hydra/launcher=submitit_slurm (submitit_local, joblib, ray) does the runs in jobs;",
        "--cfg job prints the whole configuration, --hydra-help what Hydra adds.",
        "",
        "examples:",
        _EXAMPLES,
    ]
    return "\n".join(lines)
