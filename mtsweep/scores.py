"""A score never travels alone: value, scale, direction, signature, interval and count."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Score(BaseModel):
    """One metric on one test set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    """On the metric's own scale; BLEU and chrF run from 0 to 100."""
    signature: str
    """sacreBLEU's signature: what must be equal for two values to be comparable."""
    low: float | None
    """Lower end of the 95 % bootstrap interval over segments."""
    high: float | None
    """Upper end of the same interval."""
    direction: Literal["higher", "lower"]
    """Which way is better."""
    segments: int
    """Number of test segments."""


LABELS = {"bleu": "BLEU", "chrf": "chrF"}
"""Metric name in files to its name in tables."""
