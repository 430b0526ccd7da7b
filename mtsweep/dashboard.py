"""A saved W&B workspace and a report of a sweep, through wandb-workspaces."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtsweep.compare import compare
from mtsweep.compare.settings import flat
from mtsweep.config import TrackingConfig, WandbConfig
from mtsweep.errors import MissingExtraError, MtsweepError
from mtsweep.record import Degeneration, write
from mtsweep.report.entries import Sweep
from mtsweep.scores import LABELS
from mtsweep.tracking import weights_biases

if TYPE_CHECKING:
    from wandb_workspaces.reports.v2.interface import PanelGrid, Report
    from wandb_workspaces.workspaces import Workspace

_COSTS = ("seconds_train", "seconds_per_step", "peak_memory_bytes", "trainable_parameters")
_KEPT = "wandb-dashboard.json"
"""File of a sweep's folder with the ids of what was saved, which is saved over the next time."""
_ACROSS = 24
"""Columns of a grid of panels in a report."""


@dataclass(frozen=True)
class Subject:
    """What a dashboard shows."""

    name: str
    """Of the sweep, which is the W&B group of its runs."""
    wandb: WandbConfig
    ids: tuple[str, ...]
    """Of its runs and base rows: those that another sweep did before are in the group of that."""
    metrics: tuple[str, ...]
    """The one that leads comes first."""
    behaviour: tuple[str, ...]
    axes: tuple[str, ...]
    """Configuration keys that were swept."""
    judgement: tuple[str, ...]
    """In sentences."""


@dataclass(frozen=True)
class Part:
    """A section of the workspace, and a heading of the report."""

    title: str
    panels: Sequence[Any]


def subject(sweep: Sweep) -> Subject:
    """What the dashboard of a sweep shows.

    Raises:
        UserError: if its runs cannot be compared.
    """
    found = [(each.folder, each.record) for each in sweep.finished if each.folder and each.record]
    records = [record for _, record in found]
    told = compare(found) if len(found) > 1 else None
    behaviour = [
        name
        for name in Degeneration.model_fields
        if any(getattr(record.degeneration, name) is not None for record in records)
    ]
    config = TrackingConfig.model_validate(records[-1].config["tracking"]).wandb
    return Subject(
        name=sweep.name,
        wandb=config.model_copy(update={"use": True}),
        ids=tuple(record.id for record in records),
        metrics=told.metrics if told else tuple(records[0].scores),
        behaviour=tuple(behaviour),
        axes=_axes(told.axes if told else (), records[-1].config),
        judgement=tuple(filter(None, told.sentences)) if told else (),
    )


def _axes(names: Sequence[str], config: dict[str, Any]) -> tuple[str, ...]:
    known = {key for key, _ in flat(config)}
    return tuple(name for name in names if name in known)


def check() -> None:
    """Say that the package is missing.

    Raises:
        MissingExtraError: if it is.
    """
    if importlib.util.find_spec("wandb_workspaces") is None:
        raise MissingExtraError("dashboard", "wandb-workspaces", "dashboard")


def chosen(about: Subject) -> str:
    """The runs of the sweep, as W&B's filters say it."""
    return f"Metric('Group') == {about.name!r} or Metric('ID') in {list(about.ids)!r}"


def parts(about: Subject) -> list[Part]:
    """The panels, by what they are about."""
    import wandb_workspaces.reports.v2.interface as wr

    def bars(*names: str, title: str) -> wr.BarPlot:
        return wr.BarPlot(title=title, metrics=[wr.SummaryMetric(name) for name in names])

    def curve(*names: str, title: str) -> wr.LinePlot:
        return wr.LinePlot(title=title, x="step", y=list(names), title_x="optimiser steps")

    def table(name: str) -> wr.WeavePanelSummaryTable:
        return wr.WeavePanelSummaryTable(table_name=name)

    lead = about.metrics[0]
    made = [
        Part("Scores", [
            bars(name, f"base_{name}", title=f"{LABELS[name]}, and of the untouched model")
            for name in about.metrics
        ]),
        Part("Comparison", [table("comparison")]),
        Part("Training", [
            curve("loss", title="Training loss"),
            curve("eval_loss", title="Dev loss"),
            curve("learning_rate", title="Learning rate"),
            curve("dev_chrf", title="chrF of the dev set"),
            curve("dev_bleu", title="BLEU of the dev set"),
        ]),
        Part("Behaviour", [
            bars(name, title=name.replace("_", " ")) for name in about.behaviour
        ]),
        Part("Cost", [
            *(bars(name, title=name.replace("_", " ")) for name in _COSTS),
            wr.ScatterPlot(
                title=f"{LABELS[lead]} by seconds of training",
                x=wr.SummaryMetric("seconds_train"), y=wr.SummaryMetric(lead),
            ),
        ]),
    ]  # fmt: skip
    if about.axes:
        columns = [*map(wr.Config, about.axes), wr.SummaryMetric(lead)]
        parallel = wr.ParallelCoordinatesPlot(
            title=f"{LABELS[lead]} by setting",
            columns=[wr.ParallelCoordinatesPlotColumn(metric=each) for each in columns],
        )
        importance = wr.ParameterImportancePlot(with_respect_to=lead)
        made.insert(2, Part("Settings", [parallel, importance]))
    return [*made, Part("Samples", [table("samples")])]


def workspace(about: Subject) -> Workspace:
    """The saved view: a section a part, over the runs of the sweep."""
    import wandb_workspaces.workspaces as ws

    pinned = [f"summary:{name}" for name in (*about.metrics, "stopped", "seconds_train")]
    return ws.Workspace(
        entity=about.wandb.entity or "",
        project=about.wandb.project,
        name=about.name,
        sections=[
            ws.Section(name=part.title, panels=list(part.panels), is_open=True)
            for part in parts(about)
        ],
        settings=ws.WorkspaceSettings(x_axis="step", max_runs=50),
        runset_settings=ws.RunsetSettings(filters=chosen(about), pinned_columns=pinned),
    )


def report(about: Subject) -> Report:
    """The report: the judgement in words, then a grid of panels a part."""
    import wandb_workspaces.reports.v2.interface as wr

    grids = [
        block
        for part in parts(about)
        for block in (wr.H2(text=part.title), _grid(about, part.panels))
    ]
    said = [wr.H2(text="Judgement"), wr.UnorderedList(items=list(about.judgement))]
    return wr.Report(
        entity=about.wandb.entity or "",
        project=about.wandb.project,
        title=f"Comparison of {about.name}",
        description="Intervals, paired tests and signatures: the artifact of the sweep's own run.",
        blocks=[*(said if about.judgement else []), *grids],
        width="fluid",
    )


def _grid(about: Subject, panels: Sequence[Any]) -> PanelGrid:
    """Three panels in a row; one alone takes it."""
    import wandb_workspaces.reports.v2.interface as wr

    width = _ACROSS if len(panels) == 1 else _ACROSS // 3
    for place, panel in enumerate(panels):
        row, column = divmod(place, _ACROSS // width)
        panel.layout = wr.Layout(x=column * width, y=row * 8, w=width, h=8)
    # Without a project it is the report's own, and nothing is looked up at W&B.
    runs = wr.Runset(name=about.name, filters=chosen(about))
    return wr.PanelGrid(runsets=[runs], panels=list(panels))


def specification(about: Subject) -> dict[str, Any]:
    """Workspace and report as W&B would be told, but for where they are saved."""
    models = {"workspace": workspace(about)._to_model(), "report": report(about)._to_model()}  # noqa: SLF001
    return {
        name: model.model_dump(mode="json", by_alias=True, exclude_none=True)
        for name, model in models.items()
    }


def online(about: Subject) -> bool:
    """Whether W&B can be reached as far as key and settings say."""
    return weights_biases.mode(about.wandb) == "online"


def send(about: Subject, folder: Path) -> list[str]:
    """Save workspace and report at W&B, over those of before.

    Args:
        about: What they show.
        folder: Of the sweep; keeps what was saved.

    Returns:
        Their addresses; none where the key has no entity of its own, and none was given.

    Raises:
        MtsweepError: if W&B does not take them.
    """
    import wandb

    try:
        entity = about.wandb.entity or wandb.Api().default_entity
        placed = replace(about, wandb=about.wandb.model_copy(update={"entity": entity}))
        return list(_saved(placed, folder)) if entity else []
    except Exception as error:
        raise MtsweepError(
            f"dashboard: W&B did not take it ({error}); --to FILE.json writes what was to be saved"
        ) from error


def _saved(about: Subject, folder: Path) -> Iterator[str]:
    place = f"{about.wandb.entity}/{about.wandb.project}"
    kept = _kept(folder).get(place, {})
    view, text = workspace(about), report(about)
    # As their own loaders do for a view that is there.
    view._internal_name, view._internal_id = kept.get("workspace", ("", ""))  # noqa: SLF001
    text.id = kept.get("report", "")
    yield view.save().url
    saved = [view._internal_name, view._internal_id]  # noqa: SLF001
    _keep(folder, place, {**kept, "workspace": saved})
    yield text.save().url
    _keep(folder, place, {"workspace": saved, "report": text.id})


def _keep(folder: Path, place: str, told: dict[str, Any]) -> None:
    write(folder / _KEPT, json.dumps({**_kept(folder), place: told}, indent=1) + "\n")


def _kept(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / _KEPT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
