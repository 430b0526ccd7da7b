"""Whether what is exported is what was scored: segment by segment, and by tested differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mtsweep.evaluation import significance
from mtsweep.evaluation.segments import count
from mtsweep.export.source import Row, Source
from mtsweep.scores import Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

LEVEL = 0.05
"""A loss counts from a p-value below this, corrected for the number of metrics."""


@dataclass(frozen=True)
class Difference:
    """One metric of the run as scored and of what is exported, over the same segments."""

    metric: str
    before: Score
    after: Score
    difference: float
    low: float
    """Lower end of the 95 % interval of the difference, of the paired bootstrap."""
    high: float
    """Upper end of the same interval."""
    p: float
    """Two-sided, studentised: the one that is judged, as in ``compare``."""
    p_holm: float
    """Corrected for the number of metrics."""
    p_bootstrap: float
    """SacreBLEU's, of the paired bootstrap."""
    p_randomised: float
    """SacreBLEU's, of approximate randomisation."""

    @property
    def lost(self) -> bool:
        """Whether it is shown to be worse."""
        return self.before.sign * self.difference < 0 and self.p_holm < LEVEL


@dataclass(frozen=True)
class Check:
    """What came of translating the test set again."""

    segments: int
    equal: int
    """Segments whose text is, character by character, what was scored."""
    differences: tuple[Difference, ...]
    examples: tuple[tuple[str, str, str], ...]
    """Source, text as scored and text now, of some segments that differ."""

    @property
    def share(self) -> float:
        """Of equal segments."""
        return self.equal / self.segments

    @property
    def lost(self) -> tuple[str, ...]:
        """Metrics that are shown to be worse."""
        return tuple(each.metric for each in self.differences if each.lost)

    def as_json(self) -> dict[str, Any]:
        """For ``export.json``."""
        return {
            "test_set": "test",
            "segments": self.segments,
            "equal": self.equal,
            "share": self.share,
            "level": LEVEL,
            "lost": list(self.lost),
            "metrics": {
                each.metric: {
                    **asdict(each),
                    "before": each.before.model_dump(),
                    "after": each.after.model_dump(),
                }
                for each in self.differences
            },
        }


_SHOWN = 3


def check(source: Source, rows: Sequence[Row]) -> Check:
    """Hold what an exported model says against the predictions that were scored.

    Conversations are judged by chrF of their answers: their losses are not taken again.

    Args:
        source: The run.
        rows: Its predictions as :func:`mtsweep.export.said.again` makes them.

    Raises:
        ValueError: if the segments are not the same ones.
    """
    same = [
        before["hypothesis"] == after["hypothesis"]
        for before, after in zip(source.rows, rows, strict=True)
    ]
    asked = source.config.evaluation
    metrics = ("chrf",) if source.config.data.is_chat else asked.metrics
    target = source.config.data.target_lang
    before, after = (count(each, target, metrics, asked.bleu_tokenizer)
                     for each in (source.rows, rows))  # fmt: skip
    scores = before.scores(), after.scores()
    tested = [
        _tested(name, [before.statistics[name], after.statistics[name]])
        for name in before.statistics
    ]
    corrected = significance.holm([each.p for each in tested])
    different = [place for place, equal in enumerate(same) if not equal]
    return Check(
        segments=len(rows),
        equal=sum(same),
        differences=tuple(
            Difference(
                metric=name,
                before=scores[0][name],
                after=scores[1][name],
                difference=scores[1][name].value - scores[0][name].value,
                p_holm=p_holm,
                **asdict(each),
            )
            for name, each, p_holm in zip(before.statistics, tested, corrected, strict=True)
        ),
        examples=tuple(
            (source.rows[n]["source"], source.rows[n]["hypothesis"], rows[n]["hypothesis"])
            for n in different[:_SHOWN]
        ),
    )


@dataclass(frozen=True)
class _Tested:
    low: float
    high: float
    p: float
    p_bootstrap: float
    p_randomised: float


def _tested(name: str, statistics: Sequence[Array]) -> _Tested:
    """The paired tests of two systems, as ``compare`` makes them."""
    if (statistics[0] == statistics[1]).all():
        return _Tested(0.0, 0.0, 1.0, 1.0, 1.0)
    moved = significance.resampled(statistics, name)
    values = significance.whole(statistics, name)
    difference = float(values[1] - values[0])
    change = moved[1] - moved[0]
    low, high = significance.interval(change)
    spread = significance.spread(change, len(statistics[0]))
    (randomised,) = significance.randomised(statistics, name, [(0, 1)], significance.RESAMPLES)
    two_sided = significance.two_sided(change, difference, spread)
    return _Tested(
        low=low,
        high=high,
        p=two_sided if spread.error else randomised,  # where every resample says the same
        p_bootstrap=significance.paired_bootstrap(moved[0], moved[1], difference),
        p_randomised=randomised,
    )
