"""Trained runs made into folders that others use, each checked against what was scored.

:func:`source` finds a run, :func:`make` writes it into a folder, :func:`again` loads it from there
and translates the test set, :func:`account` writes down what came of it.
"""

from mtsweep.export.check import Check
from mtsweep.export.make import (
    ACCOUNT,
    FORMS,
    Artefact,
    Form,
    account,
    again,
    drafted,
    make,
    natural,
    refuse,
)
from mtsweep.export.source import Source, source

__all__ = [
    "ACCOUNT",
    "FORMS",
    "Artefact",
    "Check",
    "Form",
    "Source",
    "account",
    "again",
    "drafted",
    "make",
    "natural",
    "refuse",
    "source",
]
