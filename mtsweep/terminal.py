"""What a person sees: banner, progress, table. Text from data is never read as markup."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mtsweep import advice, byparts, device, estimate, languages, tracking
from mtsweep.behaviour import behaviour
from mtsweep.byparts import ByParts
from mtsweep.compare.before import foreseen
from mtsweep.models import families
from mtsweep.plan import Plan, Run
from mtsweep.record import Record
from mtsweep.scores import LABELS, Score, gained, rounded
from mtsweep.sweep import memory
from mtsweep.table import Row

_PLAIN_WIDTH = 120
_PAIRS = 4
"""Language pairs that the banner names."""


def console() -> Console:
    """The terminal; plain and 120 columns wide where the output is none, or in CI."""
    plain = bool(os.environ.get("CI"))
    made = Console(force_terminal=False if plain else None, highlight=False, soft_wrap=False)
    if not made.is_terminal:
        made.width = _PLAIN_WIDTH
    return made


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
        *_each("advice", advised(plan)),
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


def advised(plan: Plan) -> list[str]:
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


def show(out: Console, table: list[Row]) -> None:
    """Print the comparison."""
    scored = dict.fromkeys(name for row in table if row.record for name in row.record.scores)
    metrics, *further = abreast(list(scored))
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    shown.add_column("run", overflow="fold")
    for name in metrics:
        shown.add_column(LABELS[name], justify="right", no_wrap=True)
        shown.add_column("to base", justify="right", no_wrap=True)
    stepped = any(row.record and row.record.cost.seconds_per_step for row in table)
    told = ["stops", "train", *(["a step"] if stepped else []), "score", "memory", "trained"]
    for heading in (*told, "stored"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for row in table:
        if row.record is None:
            blank = [""] * (2 * len(metrics) + len(told))
            ended = Text(row.state, "red" if row.state == "failed" else "yellow")
            shown.add_row(Text(row.label), *blank, ended)
        else:
            shown.add_row(Text(row.label), *_cells(row.record, metrics, stepped=stepped))
    out.print()
    out.print(shown)
    for names in further:
        out.print()
        out.print(_scores(table, names))
    counts = {
        str(score.segments)
        for row in table
        if row.record is not None
        for score in row.record.scores.values()
    }
    if counts:
        note = (
            f"±: half of the 95 % bootstrap interval over {' or '.join(sorted(counts))} segments; "
            "stops: outputs that end by themselves; signatures: table.csv"
        )
        out.print(Text(note, style="dim"))
    if (figures := behaviour(table)) is not None:
        out.print()
        out.print(figures)


def abreast(names: Sequence[str]) -> list[list[str]]:
    """Metrics in the groups that stand side by side: two beside what runs cost, then four each."""
    groups = [list(names[:2])]
    return [*groups, *(list(names[start : start + 4]) for start in range(2, len(names), 4))]


def _scores(table: Sequence[Row], names: Sequence[str]) -> Table:
    """Further metrics of the rows that have records."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    shown.add_column("run", overflow="fold")
    for name in names:
        shown.add_column(LABELS[name], justify="right", no_wrap=True)
        shown.add_column("to base", justify="right", no_wrap=True)
    for row in table:
        if row.record is not None:
            shown.add_row(Text(row.label), *_scored(row.record, names))
    return shown


def _scored(record: Record, metrics: Sequence[str]) -> list[str]:
    cells: list[str] = []
    compared = record.kind == "run"
    for name in metrics:
        score, base = record.scores.get(name), record.base_scores.get(name)
        if score is None:
            cells += ["", ""]
            continue
        cells += [
            _with_interval(name, score),
            gained(name, score.value - base.value) if compared and base else "",
        ]
    return cells


def _cells(record: Record, metrics: Sequence[str], *, stepped: bool) -> list[str]:
    cost = record.cost
    return [
        *_scored(record, metrics),
        f"{record.degeneration.stopped:.0%}",
        f"{cost.seconds_train:.0f} s" if record.kind == "run" else "",
        *([f"{cost.seconds_per_step:.2g} s" if cost.seconds_per_step else ""] if stepped else []),
        f"{cost.seconds_evaluate:.0f} s",
        f"{cost.peak_memory_bytes / 2**30:.1f} GiB",
        count(cost.trainable_parameters) if record.kind == "run" else "",
        f"{cost.adapter_bytes / 1e6:.1f} MB" if cost.adapter_bytes else "",
    ]


def _with_interval(name: str, score: Score) -> str:
    value = rounded(name, score.value)
    if score.low is None or score.high is None:
        return value
    return f"{value} ±{rounded(name, (score.high - score.low) / 2)}"


def count(number: int) -> str:
    """A number in thousands, millions or billions."""
    for unit, size in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return str(number)


def parts(out: Console, told: ByParts) -> None:
    """Scores of one metric by language pair and source, a line a row."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    shown.add_column(f"{LABELS[told.metric]} by part", overflow="fold")
    for part in told.parts:
        shown.add_column(byparts.short(part), justify="right", no_wrap=True)
    for label, scores in told.lines:
        cells = [
            _with_interval(told.metric, scores[part]) if part in scores else ""
            for part in told.parts
        ]
        shown.add_row(Text(label), *cells)
    out.print()
    out.print(shown)


def epilogue(out: Console, plan: Plan, folder: Path, mirrored: Sequence[str] = ()) -> None:
    """Say where everything lies, how far estimates were off, and how to get at what was tracked."""
    out.print()
    if told := _misses(plan):
        out.print(Text.assemble(("took   ", "bold"), told))
    out.print(Text.assemble(("runs   ", "bold"), str(plan.output / "runs"), "/<id>"))
    out.print(Text.assemble(("sweep  ", "bold"), str(folder)))
    if (folder / "report.html").is_file():
        out.print(Text.assemble(("report ", "bold"), str(folder / "report.html")))
    links = [
        link
        for run in plan.runs
        for record in (run.base_folder.record(), run.folder.record())
        if record is not None
        for link in _links(record)
    ]
    links = list(dict.fromkeys([*links, *mirrored]))
    sync = [link.removeprefix("wandb sync ") for link in links if link.startswith("wandb sync ")]
    if sync:
        line = Text.assemble(("W&B    ", "bold"), "wandb sync ", " ".join(map(_short, sync)))
        out.print(line, soft_wrap=True)  # to be copied, so in one piece
    for link in links:
        if not link.startswith("wandb sync "):
            name = "open   " if "trackio show" in link else "W&B    "
            out.print(Text.assemble((name, "bold"), link), soft_wrap=True)


def _links(record: Record) -> list[str]:
    """How to get at what was tracked of a run; older records have one link, or an empty one."""
    told = record.environment.get("tracking") or []
    return [told] if isinstance(told, str) else list(told)


def _misses(plan: Plan) -> str:
    """What the runs took against their uncorrected estimates, smallest to largest."""
    done = [record for run in plan.runs if (record := run.folder.record()) and record.estimate]
    told = []
    for name, find in (("memory", estimate.memory_ratio), ("time", estimate.time_ratio)):
        ratios = sorted(ratio for record in done if (ratio := find(record)) is not None)
        if ratios:
            low, high = f"{ratios[0]:.1f}", f"{ratios[-1]:.1f}"
            told.append(f"{name} {low if low == high else f'{low} to {high}'} x")
    return f"{', '.join(told)} of the estimate by configuration alone" if told else ""


def _short(path: str) -> str:
    relative = os.path.relpath(path)
    return relative if len(relative) < len(path) else path


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
        f"\n{len(plan.runs)} runs, {len(todo)} to do in {len(plan.groups)} groups: about "
        f"{clock(seconds)} of work on one worker, {disk / 2**20:.1f} MiB of disk"
    )
    for each in dict.fromkeys(advised(plan)):
        out.print(Text.assemble(("advice ", "bold"), each))
    for line in _foreseen(plan):
        out.print(Text(line))
    free = f"{there.free / 2**30:.1f} GiB of memory free" if there.free else "memory unknown"
    out.print(Text(f"estimates, corrected by finished runs of a model; {free}", style="dim"))
    for _, line in _each("", [*plan.left_out, *memory.notes(plan)]):
        out.print(Text(line))


def clock(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
