"""Subcommands: the first word of a command line that is none of Hydra's.

Each is a module with ``run(arguments) -> exit code``, imported when it is called; its figures come
from the layers below, what it raises is worded and turned into an exit code by ``cli``.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Sequence
from typing import Protocol, cast

COMMANDS = {
    "app": "translate and chat in a browser, the untouched model beside; and over HTTP",
    "card": "the model card of a run, from its records",
    "comet": "COMET scores for finished runs, in a process of its own",
    "compare": "which runs are better and which are tied; sweeps can be joined",
    "dashboard": "a W&B workspace and a report of a sweep, saved or as a file",
    "data": "what the pairs are: sources, steps, lengths, samples, leaks; writes data.html",
    "export": "a run's model as a folder that others use: adapter, merged, CTranslate2, GGUF",
    "plan": "what a sweep would do: runs, states, what is shared; nothing is started",
    "push": "a run's model to the Hugging Face hub, with its card",
    "rate": "blind sheets for people to rate translations, and what filled-in sheets say",
    "report": "report.html and report.md of a sweep, from its records",
    "runs": "what runs there are and what they take; remove some, or their weights",
    "synthesize": "pairs written or translated by a teacher, filtered and described",
    "translate": "line in, line out, with a tuned model or the untouched one",
}
"""Name, which is also its module's, to the line that ``--help`` shows."""


class Command(Protocol):
    """What a module of this package offers."""

    def run(self, arguments: Sequence[str]) -> int:
        """Carry the command out; returns the exit code."""
        ...


def find(name: str) -> Command:
    """The module of a command."""
    return cast(Command, importlib.import_module(f"{__name__}.{name}"))


def meant(first: str) -> str | None:
    """Command that the first word of a command line comes near, where it is a mere word."""
    near = difflib.get_close_matches(first, COMMANDS, n=1) if first.isalpha() else []
    return near[0] if near and first not in COMMANDS else None
