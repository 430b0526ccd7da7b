"""The report of a sweep: ``report.html`` for people, ``report.md`` with pictures for a paper."""

from __future__ import annotations

from pathlib import Path

from mtsweep.compare import Comparison
from mtsweep.record import write
from mtsweep.report import entries, markdown, page, ratings
from mtsweep.report.content import content
from mtsweep.report.entries import find
from mtsweep.report.judgement import judge
from mtsweep.report.samples import gather

__all__ = ["find", "write_report"]


def write_report(
    folder: Path, runs: Path | None = None, comparison: Comparison | None = None
) -> list[Path]:
    """Write the report of a sweep that has ended into its folder.

    Args:
        folder: Of the sweep.
        runs: Where run folders are; ``None`` is ``runs/`` beside ``sweeps/``.
        comparison: Of its finished runs, if it has been made already; ``None`` makes it.

    Returns:
        The files that were written.
    """
    sweep = entries.read(folder, runs)
    told = content(sweep, judge(sweep, comparison), ratings.results(sweep))
    sets = gather([(e.folder, e.record.config) for e in sweep.finished if e.folder and e.record])
    html, text = folder / "report.html", folder / "report.md"
    write(html, page.render(sweep, told, sets))
    markdown.draw(told, folder)
    write(text, markdown.render(told))
    return [html, text]
