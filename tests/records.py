"""A finished run's record, made up."""

from __future__ import annotations

from mtsweep.record import Cost, Degeneration, Record
from mtsweep.scores import Score
from tests.overrides import config


def score(value: float = 30.0) -> Score:
    return Score(
        value=value,
        signature="nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
        low=value - 1.5,
        high=value + 1.5,
        direction="higher",
        segments=100,
    )


def record(run_id: str = "0123456789ab", kind: str = "run", **changes) -> Record:
    made = {
        "id": run_id,
        "train_id": "ba9876543210" if kind == "run" else None,
        "kind": kind,
        "config": config().model_dump(mode="json"),
        "scores": {"bleu": score(31.5), "chrf": score(55.0)},
        "base_scores": {"bleu": score(30.0), "chrf": score(50.0)},
        "degeneration": Degeneration(stopped=0.98, repeated_4grams=0.01, length_ratio=1.02),
        "data": {"fingerprint": "f00d"},
        "cost": Cost(
            seconds_train=61.0,
            seconds_evaluate=7.0,
            peak_memory_bytes=3 * 2**30,
            trainable_parameters=4_880_000,
            total_parameters=139_000_000,
            adapter_bytes=9_770_000,
        ),
        "environment": {"mtsweep": "0.1.0"},
    }
    return Record(**{**made, **changes})
