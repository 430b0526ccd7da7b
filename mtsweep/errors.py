"""What can go wrong, and the exit code that each kind of trouble ends with.

Everything that mtsweep raises on purpose is an :class:`MtsweepError`; ``cli/`` turns it into
one message and one exit code. Anything else that reaches the command line is a bug.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class MtsweepError(Exception):
    """A trouble that mtsweep knows by name; its text is written for the user."""

    exit_code = 1


class UserError(MtsweepError):
    """Something the user can mend: the text names the key or file, and the remedy."""

    exit_code = 2


class TooFewPairsError(UserError):
    """Fewer pairs are there than ``data.size`` asks for; ``sweep.beyond_data`` may leave it out."""


class RunFailedError(MtsweepError):
    """A run cannot go on (loss not finite, out of memory, …); the other runs do."""


class TooLargeError(RunFailedError):
    """Memory did not suffice for a micro-batch; the next start takes a smaller one."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with a configuration."""

    key: str
    """Dotted key, group, or file that the problem is about."""
    complaint: str
    """What is wrong, what is expected and, where it can be guessed, what was meant."""
    run: str = ""
    """Overrides of the run it was found in; empty when it concerns every run."""


class ConfigError(UserError):
    """Every problem of every run of a command, told at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__(self._text())

    def _text(self) -> str:
        count = len(self.problems)
        width = max((len(problem.key) for problem in self.problems), default=0)
        lines = [f"{count} problem{'s' if count != 1 else ''} in the configuration:"]
        for problem in self.problems:
            where = f"   (in the run with {problem.run})" if problem.run else ""
            lines.append(f"  {problem.key:<{width}}  {problem.complaint}{where}")
        return "\n".join(lines)


class MissingExtraError(UserError):
    """A feature needs a package that is not installed."""

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the package {package}, which is not installed: "
            f"pip install 'mtsweep[{extra}]'"
        )
