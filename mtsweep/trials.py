"""A search on the terminal: what it may choose from, and what it came to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mtsweep.compare.searched import Ranked, Searched
from mtsweep.scores import LABELS, rounded
from mtsweep.space import Point, shown
from mtsweep.sweep.searches import Outcome, Prepared
from mtsweep.sweep.study import Trial
from mtsweep.terminal import clock

_SHOWN = 20
"""Trials in a table, at most."""
_STYLES = {"failed": "red", "pruned": "yellow"}
_STATES = ("finished", "pruned", "failed", "open")


def lines(prepared: Prepared, there: Sequence[Trial]) -> list[tuple[str, str]]:
    """Heading and text of what can be said of a search before it starts."""
    config, space = prepared.config, prepared.asked.space
    size = "" if math.isinf(space.size) else f" of {space.size:,.0f} settings"
    seeds = len(space.seeds) or 1
    runs = f", each the mean of {seeds} seeds" if seeds > 1 else ""
    known = f"; {_counted(there)} so far" if there else ""
    keys = [f"{shown(each.key)}: {each}" for each in space.dimensions]
    return [
        ("search", f"{min(config.trials, space.size):.0f} trials{size}{runs}{known}"),
        ("by", f"{LABELS[prepared.metric]} of the dev set, {len(_dev(prepared))} segments"),
        *_pruning(prepared),
        *(("space" if place == 0 else "", key) for place, key in enumerate(keys)),
        *(("advice", each) for each in space.advice()),
    ]


def _pruning(prepared: Prepared) -> list[tuple[str, str]]:
    config = prepared.config
    if config.pruner is None:
        return []
    kinds = {"halving": "successive halving", "hyperband": "Hyperband"}
    return [("pruning", f"{kinds[config.pruner]}: one of {config.reduction} goes on")]


def _dev(prepared: Prepared) -> Sequence[object]:
    return prepared.corners.runs[0].corpus.dev


def planned(out: Console, prepared: Prepared, there: Sequence[Trial]) -> None:
    """What a search would do, as far as that can be said."""
    grid = Table.grid(padding=(0, 2))
    for heading, text in lines(prepared, there):
        grid.add_row(Text(heading, style="bold"), Text(text))
    out.print(grid)
    config = prepared.config
    least = [run.estimate for run in prepared.corners.runs if not run.finished]
    if not least:
        return
    left = max(min(config.trials, prepared.asked.space.size) - len(there), 0)
    runs = int(left) * (len(prepared.asked.space.seeds) or 1)
    low, high = (pick(each.seconds for each in least) for pick in (min, max))
    memory = max(each.memory for each in least) / 2**30
    out.print(
        f"\nat most {runs} runs of {clock(low)} to {clock(high)} at the bounds of the space: up to "
        f"{clock(runs * high)} of work on one worker, {memory:.1f} GiB of memory, "
        f"{runs * max(each.disk for each in least) / 2**20:.1f} MiB of disk"
    )


def told(found: Outcome, prepared: Prepared) -> list[str]:
    """What a search came to, in sentences."""
    metric = prepared.metric
    said = [f"{len(found.trials)} trials: {_counted(found.trials)}."]
    best = found.best
    if best is None or best.value is None:
        return [*said, "No trial finished, so there is no best setting."]
    said.append(
        f"Best by the dev set: {spelt(best.point)} (trial {best.number}), "
        f"{LABELS[metric]} {rounded(metric, best.value)}; {_tested(found, best)}."
    )
    if (count := found.counts["finished"]) > 1:
        said.append(
            f"As the best of {count} its dev score flatters it; its test scores, of one setting "
            "alone, do not."
        )
    if found.importances:
        shares = ", ".join(f"{key} {share:.0%}" for key, share in found.importances.items())
        said.append(f"What good settings differ in from the others (PED-ANOVA): {shares}.")
    return said


def ranked(found: Outcome, metric: str) -> Searched:
    """The trials of a search by the dev set, and what that chose."""
    order = {run.id: place for place, run in enumerate(found.plan.runs)}

    def place(trial: Trial) -> tuple[bool, int]:
        places = [order[each] for each in trial.runs if each in order]
        return trial.state != "finished", min(places, default=len(order))

    listed = tuple(
        Ranked(
            spelt(each.point),
            each.state,
            each.value if each.state == "finished" else None,  # of others it is an earlier step's
            each.reason,
            each.runs,
        )
        for each in sorted(found.trials, key=place)
    )
    chosen = tuple(run.id for run in found.of(found.best)) if found.best else ()
    return Searched(metric, chosen, listed)


def ranking(out: Console, search: Searched) -> None:
    """Print the trials of a search by the dev set."""
    if not search.trials:  # of a version that did not keep them
        return
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    shown.add_column("trial", overflow="fold")
    shown.add_column(f"dev {LABELS.get(search.metric, search.metric)}", justify="right")
    shown.add_column("")
    for each in search.trials[:_SHOWN]:
        value = "" if each.value is None else rounded(search.metric, each.value)
        best = each.runs and set(each.runs) == set(search.chosen)
        end = Text("chosen", "green") if best else Text(each.state)
        if each.reason:
            end = Text(f"{each.state}: {each.reason}", _STYLES.get(each.state, ""))
        shown.add_row(Text(each.setting), value, end)
    out.print()
    out.print(shown)
    if len(search.trials) > _SHOWN:
        out.print(Text(f"and {len(search.trials) - _SHOWN} more", style="dim"))
    out.print(Text("ranked by the dev set; what it chose alone is judged by the test set", "dim"))


def spelt(point: Point) -> str:
    """A point as overrides, to be given again."""
    return " ".join(f"{shown(key)}={value}" for key, value in point.items())


def _tested(found: Outcome, best: Trial) -> str:
    """The test scores of a trial."""
    records = [record for run in found.of(best) if (record := run.folder.record()) is not None]
    scores = [
        f"{LABELS[each]} {rounded(each, fmean(record.scores[each].value for record in records))}"
        for each in (records[0].scores if records else ())
    ]
    seeds = f" (means of {len(records)} seeds)" if len(records) > 1 else ""
    return f"on the test set, which had no say, {', '.join(scores)}{seeds}"


def _counted(trials: Sequence[Trial]) -> str:
    counts = Counter(trial.state for trial in trials)
    words = {"open": "under way"}
    return ", ".join(f"{counts[each]} {words.get(each, each)}" for each in _STATES if counts[each])
