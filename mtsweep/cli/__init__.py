"""The command line: the only place, with its subcommands, that prints and exits."""

from mtsweep.cli.entry import main, run
from mtsweep.cli.help import help_text

__all__ = ["help_text", "main", "run"]
