"""Composition: groups and overrides to plain values. The only package that knows Hydra."""

from mtsweep.compose.command import Execute, asked, compose
from mtsweep.compose.folders import groups, question
from mtsweep.compose.jobs import Job
from mtsweep.compose.search import Search

__all__ = ["Execute", "Job", "Search", "asked", "compose", "groups", "question"]
