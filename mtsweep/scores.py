"""A score never travels alone: value, scale, direction, signature, interval and count."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Score(BaseModel):
    """One metric on one test set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    """From 0 to 100, whatever the metric; TER goes beyond where there is more to mend than text."""
    signature: str
    """As sacreBLEU's: what must be equal for two values to be comparable."""
    low: float | None
    """Lower end of the 95 % bootstrap interval over segments."""
    high: float | None
    """Upper end of the same interval."""
    direction: Literal["higher", "lower"]
    """Which way is better."""
    segments: int
    """Number of test segments."""

    @property
    def sign(self) -> int:
        """What turns a difference into a gain: 1 where higher is better, else -1."""
        return 1 if self.direction == "higher" else -1


LABELS = {
    "bleu": "BLEU",
    "chrf": "chrF",
    "chrf++": "chrF++",
    "ter": "TER",
    "rouge": "ROUGE-L",
    "meteor": "METEOR",
    "comet": "COMET",
    "eval_loss": "loss",
    "perplexity": "perplexity",
    "mean_token_accuracy": "accuracy",
}
"""Metric name in files to its name in tables."""

CHAT = ("eval_loss", "perplexity", "mean_token_accuracy")
"""What conversations are scored by, over the tokens of their answers: nats a token, the
exponential of it, and the share of tokens that the model found the likeliest (from 0 to 1)."""
LOWER = {"ter", "eval_loss", "perplexity"}
"""Metrics of which less is better."""
_PLACES = {"eval_loss": 3, "perplexity": 2, "mean_token_accuracy": 3}


def rounded(name: str, value: float) -> str:
    """A score as people read it, with as many digits as its metric deserves."""
    return f"{value:.{_PLACES.get(name, 1)}f}"


def gained(name: str, value: float) -> str:
    """A difference of scores, with its sign."""
    return f"{value:+.{_PLACES.get(name, 1)}f}"


def direction(name: str) -> Literal["higher", "lower"]:
    """Which way a metric is better."""
    return "lower" if name in LOWER else "higher"
