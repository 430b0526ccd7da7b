"""A progress bar of a subcommand, where somebody looks on."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def bar(
    title: str, total: Callable[[], int | None], begun: int = 0
) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, if that is a terminal; its function is given how much is done.

    Args:
        title: What is counted.
        total: How much there is, asked only where the bar is shown; ``None`` is not known.
        begun: How much was done before.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = title, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total(), completed=begun)
        yield lambda done: progress.update(task, completed=done)
