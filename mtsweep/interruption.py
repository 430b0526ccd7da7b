"""Whether somebody asked this process to stop; steps and batches look, and end in good order."""

from __future__ import annotations

import threading

_asked = threading.Event()


class Interrupted(KeyboardInterrupt):
    """Ends a run that can be resumed; no :class:`Exception`, so that nobody takes it for one."""


class Pruned(Exception):  # noqa: N818 - nothing went wrong
    """Ends a run of a search that is not worth going on with.

    Args:
        step: Optimiser step that it ended at.
        told: Where it stood then, in words.
    """

    def __init__(self, step: int, value: float, told: str) -> None:
        super().__init__(told)
        self.step = step
        self.value = value


def ask() -> None:
    """Ask to stop at the next step; safe in a signal handler and from any thread."""
    _asked.set()


def asked() -> bool:
    """Whether somebody asked."""
    return _asked.is_set()


def check() -> None:
    """Stop here, if somebody asked.

    Raises:
        Interrupted: then.
    """
    if _asked.is_set():
        raise Interrupted
