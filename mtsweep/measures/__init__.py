"""What is counted of each segment, metric by metric, and what each metric needs to be there."""

from mtsweep.measures.checks import check, identity
from mtsweep.measures.counters import Counter, comet_refusal, counter, refusal

__all__ = ["Counter", "check", "comet_refusal", "counter", "identity", "refusal"]
