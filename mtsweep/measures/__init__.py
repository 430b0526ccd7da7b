"""What is counted of each segment, metric by metric, and what each metric needs to be there."""

from mtsweep.measures.checks import check, identity
from mtsweep.measures.counters import Counter, counter, refusal

__all__ = ["Counter", "check", "counter", "identity", "refusal"]
