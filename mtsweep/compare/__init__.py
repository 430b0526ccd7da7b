"""Records in, judgement out: what is better, what is tied, and what this much data cannot tell."""

from mtsweep.compare.ablation import Ablation, Curve, Grid, Line, Point, Share, Spent
from mtsweep.compare.fit import Fit, Gain
from mtsweep.compare.judge import compare
from mtsweep.compare.model import Comparison, Estimate, Pair, Refusal, Row, Verdict

__all__ = [
    "Ablation",
    "Comparison",
    "Curve",
    "Estimate",
    "Fit",
    "Gain",
    "Grid",
    "Line",
    "Pair",
    "Point",
    "Refusal",
    "Row",
    "Share",
    "Spent",
    "Verdict",
    "compare",
]
