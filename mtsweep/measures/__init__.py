"""What is counted of each segment, metric by metric, and what each metric needs to be there."""

from mtsweep.measures.counters import Counter, counter, extend_signature, refusal
from mtsweep.measures.tokens import bleu_tokenizer

__all__ = ["Counter", "bleu_tokenizer", "counter", "extend_signature", "refusal"]
