"""Which charts a report has: training curves, ablations, significance, cost beside quality."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mtsweep.compare.ablation import front
from mtsweep.report.charts import Chart, Picture, Series, thinned
from mtsweep.report.entries import Entry, Sweep, curve
from mtsweep.scores import LABELS

_CURVES = (
    ("loss", "Training loss", "loss per token"),
    ("eval_loss", "Dev loss", "loss per token"),
    ("learning_rate", "Learning rate", "learning rate"),
)


def curves(sweep: Sweep) -> list[Picture]:
    """Losses and learning rate by step, and every score that was taken on the way."""
    runs = [entry for entry in sweep.finished if entry.kind == "run" and entry.folder]
    charts: list[Picture] = []
    scored = [(f"eval_{name}", f"Dev {label}", label) for name, label in LABELS.items()]
    for name, title, y_title in (*_CURVES, *scored):
        series = tuple(_curve(runs, name))
        if series:
            charts.append(Chart(f"curve-{name}", title, "optimiser steps", y_title, series))
    return charts


def _curve(runs: Sequence[Entry], name: str) -> Iterable[Series]:
    most = max(40, 12_000 // max(1, len(runs)))
    for number, entry in enumerate(runs):
        points = thinned(curve(entry.folder, name), min(300, most)) if entry.folder else []
        if points:
            xs, ys = zip(*points, strict=True)
            yield Series(entry.label, list(xs), list(ys), colour=number)


def costs(sweep: Sweep, metric: str) -> list[Picture]:
    """The lead metric beside what a run took; runs that nothing beats in both are joined."""
    label = LABELS.get(metric, metric)
    made = []
    for name, title, x_title, unit in (
        ("seconds_train", "Quality and training time", "seconds of training", 1.0),
        ("peak_memory_bytes", "Quality and memory", "peak memory, GiB", 2.0**30),
        ("trainable_parameters", "Quality and size", "trained parameters, millions", 1e6),
    ):
        chart = _pareto(sweep, metric, name, title, (x_title, label), unit)
        if chart is not None:
            made.append(chart)
    return made


def _pareto(  # noqa: PLR0913, PLR0917
    sweep: Sweep, metric: str, name: str, title: str, axes: tuple[str, str], unit: float
) -> Chart | None:
    points = [
        (float(getattr(entry.record.cost, name)) / unit, entry.record.scores[metric], entry.label)
        for entry in sweep.judged
        if entry.kind == "run" and entry.record and metric in entry.record.scores
    ]
    points = [point for point in points if point[0] > 0]
    if len(points) < 2:
        return None
    better = points[0][1].sign
    best = front([(cost, better * score.value) for cost, score, _ in points])
    ahead = [point for point, own in zip(points, best, strict=True) if own]
    ahead.sort(key=lambda point: point[0])
    return Chart(
        f"cost-{name}",
        title,
        *axes,
        (
            Series("no run is better in both", [x for x, _, _ in ahead],
                   [score.value for _, score, _ in ahead], style="dash"),
            Series("", [x for x, _, _ in points], [score.value for _, score, _ in points],
                   [score.low for _, score, _ in points], [score.high for _, score, _ in points],
                   [text for _, _, text in points], 0, "points"),
        ),
        note="The dashed line joins runs that no other run beats in both.",
        from_zero=True,
        labelled=len(points) <= 12,
    )  # fmt: skip
