"""What is said before a sweep: its banner, or its plan in full."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mtsweep import advice, device, languages, tracking
from mtsweep.compare.before import foreseen
from mtsweep.models import families
from mtsweep.plan import Plan, Run
from mtsweep.sweep import memory
from mtsweep.terminal.screen import clock, count

_PAIRS = 4
"""Language pairs that the banner names."""


def banner(
    out: Console, plan: Plan, jobs: str = "", search: Sequence[tuple[str, str]] = ()
) -> None:
    """Say what will run, and whose jobs do it where this machine does not.

    Args:
        out: The terminal.
        plan: What will run; of a search its corners.
        jobs: Whose jobs.
        search: Of a search, what stands for the number of runs.
    """
    grid = Table.grid(padding=(0, 2))
    told = _told(plan, jobs)
    for name, value in [*search, *told[1:]] if search else told:
        grid.add_row(Text(name, style="bold"), Text(value))
    out.print(Text(f"mtsweep: {plan.name}", style="bold cyan"))
    out.print(grid)


def _told(plan: Plan, jobs: str) -> list[tuple[str, str]]:
    finished = sum(run.finished for run in plan.runs)
    runs = f"{len(plan.runs)}" + (f", {finished} of them finished" if finished else "")
    if plan.duplicates:
        runs += f" ({plan.duplicates} asked for twice)"
    config = plan.runs[0].config
    tracked = sorted({tracking.told(run.config.tracking) for run in plan.runs})
    return [
        ("runs", runs),
        *_each("model", [_model(run) for run in plan.runs]),
        *_each("data", [_data(run) for run in plan.runs]),
        *_each("training", [_training(run) for run in plan.runs]),
        ("device", jobs or f"{device.describe()}, {_precision(plan)}"),
        ("tracking", ", ".join(tracked)),
        ("output", str(Path(config.output_dir).absolute())),
        *_each("left out", list(plan.left_out)),
        *_each("test set", _foreseen(plan)),
        *_each("note", [] if jobs else memory.notes(plan)),
        *_each("advice", _advised(plan)),
    ]


def _foreseen(plan: Plan) -> list[str]:
    """How large a difference would show, as far as finished base rows tell."""
    told = []
    for base_id in dict.fromkeys(run.base_id for run in plan.runs):
        members = [run for run in plan.runs if run.base_id == base_id]
        settings = {
            run.config.model_dump_json(exclude={"seed", "tracking", "sweep"}) for run in members
        }
        folder = members[0].base_folder
        if (record := folder.record()) is not None:
            told.append(foreseen(folder, record, len(settings) + 1))
    return [each for each in told if each]


def _advised(plan: Plan) -> list[str]:
    """What is likely to disappoint in the trainings that are to be done."""
    todo = [run for group in plan.groups for run in group.runs]
    return [each for run in todo for each in advice.before(run.config, run.corpus)]


def _each(name: str, values: list[str]) -> list[tuple[str, str]]:
    distinct = list(dict.fromkeys(values))
    shown = distinct[:4] + ([f"… and {len(distinct) - 4} more"] if len(distinct) > 4 else [])
    return [(name if index == 0 else "", value) for index, value in enumerate(shown)]


def _model(run: Run) -> str:
    pairs = run.config.data.language_pairs
    how = "; ".join(dict.fromkeys(families.describe(run.family, *pair) for pair in pairs[:_PAIRS]))
    how += "; …" if len(pairs) > _PAIRS else ""
    if run.config.data.is_chat:
        how = "asked through its chat template"
    bits = " in 4 bits" if run.config.lora.load_in_4bit else ""
    return f"{run.config.model.name}{bits} ({run.config.model.kind}; {how})"


def _data(run: Run) -> str:
    data, corpus = run.config.data, run.corpus
    pairs = [f"{languages.name(a)} to {languages.name(b)}" for a, b in data.language_pairs]
    pair = ", ".join(pairs[:_PAIRS] + ["…"] * (len(pairs) > _PAIRS))
    if data.is_chat:
        pair = "conversations"
    dropped = sum(corpus.dropped.values())
    left = f", {dropped} left out by the reader" if dropped else ""
    return (
        f"{data.name}, {pair}: {len(corpus.train)} train, {len(corpus.dev)} dev, "
        f"{len(corpus.test)} test{left}"
    )


def _training(run: Run) -> str:
    trainer = run.config.trainer
    if run.untouched:
        return "nothing"
    batch = trainer.batch
    length = (
        f"{trainer.max_steps} steps"
        if trainer.max_steps
        else f"{trainer.num_train_epochs:g} epochs"
    )
    what = "conversations" if run.config.data.is_chat else "pairs"
    return f"{length} of {batch} {what}, learning rate {trainer.learning_rate:g}"


def _precision(plan: Plan) -> str:
    wanted = {run.config.model.dtype for run in plan.runs}
    names = {"auto": "bfloat16" if device.gpus() else "float32"}
    return ", ".join(sorted(names.get(name, name) for name in wanted))


def _some(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def planned(out: Console, plan: Plan) -> None:
    """What a sweep would do: every run, its state and group, and what it is expected to take."""
    group_of = {run.id: number for number, group in enumerate(plan.groups, 1) for run in group.runs}
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("id", "run", "state", "group"):
        shown.add_column(heading, overflow="fold")
    for heading in ("trains", "memory", "time", "disk"):
        shown.add_column(heading, justify="right", no_wrap=True)
    there = memory.memory(plan.runs[0].config.sweep)
    todo = [run for run in plan.runs if run.id in group_of]
    for run in plan.runs:
        cells = ["", "", "", ""]
        if run.id in group_of:
            fits = "" if there.fits(run) else " (too much)"
            fits = " (cannot fit)" if there.cannot(run) else fits
            cells = [
                count(run.estimate.trained),
                f"{run.estimate.memory / 2**30:.1f} GiB{fits}",
                clock(run.estimate.seconds),
                f"{run.estimate.disk / 2**20:.1f} MiB",
            ]
        shown.add_row(run.id, Text(run.label), run.state, str(group_of.get(run.id, "")), *cells)
    out.print(shown)
    seconds = sum(run.estimate.seconds for run in todo)
    disk = sum(run.estimate.disk for run in todo)
    out.print(
        f"\n{_some(len(plan.runs), 'run')}, {len(todo)} to do in "
        f"{_some(len(plan.groups), 'group')}: about "
        f"{clock(seconds)} of work on one worker, {disk / 2**20:.1f} MiB of disk"
    )
    for each in dict.fromkeys(_advised(plan)):
        out.print(Text.assemble(("advice ", "bold"), each))
    for line in _foreseen(plan):
        out.print(Text(line))
    free = f"{there.free / 2**30:.1f} GiB of memory free" if there.free else "memory unknown"
    out.print(Text(f"estimates, corrected by finished runs of a model; {free}", style="dim"))
    for _, line in _each("", [*plan.left_out, *memory.notes(plan)]):
        out.print(Text(line))
