"""From a command line to what carries it out, and to an exit code."""

from __future__ import annotations

import gc
import logging
import os
import shlex
import signal
import sys
from collections.abc import Sequence

from mtsweep import __version__, commands
from mtsweep.cli.help import help_text
from mtsweep.cli.searching import search
from mtsweep.cli.sweeping import sweep
from mtsweep.errors import MtsweepError, UserError

_SELDOM = 100_000
"""Objects between two looks for garbage: what imports make stays, and looking takes its time."""
_INTERRUPTED = 130
_TERMINATED = 143
_UNREAD = 141
"""As a shell tells a program that ended with SIGPIPE."""


def main() -> None:
    """Run a command line and exit with its code."""
    gc.set_threshold(_SELDOM, 10, 10)
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
    if arguments and (meant := commands.meant(arguments[0])):
        raise UserError(f"{arguments[0]}: no such command; did you mean {meant}?")
    from mtsweep import compose

    jobs = compose.asked(arguments, lambda jobs: sweep(jobs, arguments))
    if isinstance(jobs, compose.Search):
        search(jobs, arguments)
    elif jobs:
        sweep(jobs, arguments)
    return 0


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends like Ctrl-C, with an exit code of its own."""


def _terminate(number: int, frame: object) -> None:  # noqa: ARG001 - what signal calls
    raise Terminated
