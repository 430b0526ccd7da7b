"""Records in, judgement out: what is better, what is tied, and what this much data cannot tell."""

from mtsweep.compare.judge import compare
from mtsweep.compare.model import Comparison, Estimate, Pair, Refusal, Row, Verdict

__all__ = ["Comparison", "Estimate", "Pair", "Refusal", "Row", "Verdict", "compare"]
