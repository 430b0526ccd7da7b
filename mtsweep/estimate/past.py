"""What finished runs tell of an estimate: how far it was off, and by how much to correct it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any, NamedTuple

from mtsweep.estimate.figures import Estimate
from mtsweep.record import Record


def kind(config: Mapping[str, Any]) -> tuple[str, ...]:
    """What runs must share for one to tell of the other: model, tuning, quantisation.

    Args:
        config: Of a run or of a record, as plain values.
    """
    lora = config["lora"]
    return config["model"]["name"], lora["method"], str(lora["load_in_4bit"])


def memory_ratio(record: Record) -> float | None:
    """Measured over expected peak memory of a finished run; ``None`` without an estimate."""
    expected = record.estimate.get("memory")
    return record.cost.peak_memory_bytes / expected if expected else None


def time_ratio(record: Record) -> float | None:
    """Measured over expected seconds of a finished run; ``None`` without an estimate."""
    expected = record.estimate.get("seconds")
    return (
        (record.cost.seconds_train + record.cost.seconds_evaluate) / expected if expected else None
    )


def missed(record: Record) -> str:
    """How far an estimate was off, in words; empty where there was none."""
    ratios = (("memory", memory_ratio(record)), ("time", time_ratio(record)))
    told = [f"{name} {ratio:.1f} x" for name, ratio in ratios if ratio is not None]
    return f"{', '.join(told)} of the estimate" if told else ""


class Correction(NamedTuple):
    """What finished runs of a kind took, in multiples of what was expected of them."""

    memory: float = 1.0
    seconds: float = 1.0

    def of(self, raw: Estimate) -> Estimate:
        """An estimate for another run of that kind."""
        return replace(
            raw,
            memory=int(raw.memory * self.memory),
            seconds=raw.seconds * self.seconds,
            scoring=raw.scoring * self.seconds,
        )


def correction(past: Sequence[Record]) -> Correction:
    """By the medians of finished runs that share a :func:`kind`."""
    return Correction(_middle(map(memory_ratio, past)), _middle(map(time_ratio, past)))


def _middle(ratios: Iterable[float | None]) -> float:
    known = [ratio for ratio in ratios if ratio is not None]
    return median(known) if known else 1.0
