"""What a comparison says, as plain values: the terminal and the report only render it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mtsweep.compare.ablation import Ablation


@dataclass(frozen=True)
class Estimate:
    """A score of a setting, with what is known about it."""

    value: float
    """Mean over seeds of the corpus score."""
    low: float
    high: float
    """Ends of the 95 % interval: over segments, and over seeds where there are several."""
    direction: Literal["higher", "lower"]
    signature: str
    segments: int
    seeds: tuple[float, ...]
    """Score of each seed."""


@dataclass(frozen=True)
class Row:
    """One setting: a base row, or the runs that differ in the seed alone."""

    key: str
    """Id of its first run: names the row in pairs and verdicts."""
    label: str
    kind: Literal["run", "base"]
    ids: tuple[str, ...]
    values: Mapping[str, Any]
    """Axis to its value here."""
    scores: Mapping[str, Estimate]
    cost: Mapping[str, float]
    """Mean over seeds, by the fields of a record's cost."""
    pareto: bool = False
    """Whether no other row of its verdict is at least as good for fewer seconds of training."""


@dataclass(frozen=True)
class Pair:
    """Two settings on one metric."""

    first: str
    second: str
    """Keys of rows; the second is the one listed later."""
    difference: float
    """Score of the second minus score of the first."""
    low: float
    high: float
    """Ends of the 95 % interval of the difference."""
    p: float
    """Two-sided, paired, over segments and seeds."""
    p_holm: float
    """The same, corrected for all pairs of the verdict (Holm 1979)."""
    p_bootstrap: float | None
    """sacreBLEU's paired bootstrap; ``None`` with several seeds."""
    p_randomisation: float | None
    """sacreBLEU's approximate randomisation; ``None`` with several seeds."""

    @property
    def real(self) -> bool:
        """Whether the difference may be claimed."""
        return self.p_holm < 0.05


@dataclass(frozen=True)
class Verdict:
    """The judgement on one metric, over settings that may be ranked together."""

    metric: str
    members: tuple[str, ...]
    pairs: tuple[Pair, ...]
    best: str
    tied: tuple[str, ...]
    """Rows that are not shown to be worse than the best one, itself among them."""
    detectable: float | None
    """Minimum detectable difference: found in 80 % of such sweeps, after correction."""


@dataclass(frozen=True)
class Refusal:
    """Why rows are not ranked together."""

    rows: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Comparison:
    """What a set of records comes to."""

    axes: tuple[str, ...]
    """Configuration keys in which the runs differ, apart from the seed."""
    metrics: tuple[str, ...]
    """The one that leads comes first."""
    rows: tuple[Row, ...]
    verdicts: tuple[Verdict, ...]
    ablations: tuple[Ablation, ...] = ()
    """One for each verdict, in the same order."""
    refusals: tuple[Refusal, ...] = ()
    sentences: tuple[str, ...] = ()
    """The judgement in plain words, the most important first."""
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Axis to further keys that change with it, so that their effects cannot be told apart."""

    def row(self, key: str) -> Row:
        """The row of a key."""
        return next(row for row in self.rows if row.key == key)
