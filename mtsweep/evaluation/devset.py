"""Scores on the dev set while a model is trained: curves, and what a step is chosen by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mtsweep.config import DecodingConfig
from mtsweep.data.pairs import Pair
from mtsweep.evaluation.formulas import corpus
from mtsweep.evaluation.generate import generate, max_new_tokens, within_memory
from mtsweep.evaluation.segments import counted
from mtsweep.measures import refusal
from mtsweep.measures.tokens import AUTO
from mtsweep.models.adapters import merged
from mtsweep.models.codec import Codec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

METRICS = ("bleu", "chrf")
"""Always counted: the curves of every run show them."""


@dataclass
class DevScorer:
    """Translates dev pairs greedily and scores them; the same for every decoding of a sweep."""

    groups: Mapping[tuple[str, str], Sequence[Pair]]
    """Dev pairs by language pair."""
    codecs: Mapping[tuple[str, str], Codec]
    metrics: Sequence[str] = METRICS
    decoding: DecodingConfig = DecodingConfig(name="dev")
    """Its batch gets smaller where memory asks for it."""

    def __call__(self, model: Any) -> dict[str, float]:  # noqa: ANN401 - PreTrainedModel, PeftModel
        """``dev_bleu``, ``dev_chrf`` …, from 0 to 100; means over the language pairs."""
        training = model.training
        model.eval()
        try:
            with merged(model):
                scores = [self._scores(model, languages) for languages in self.groups]
        finally:
            model.train(training)
        return {
            f"dev_{name}": sum(score[name] for score in scores) / len(scores)
            for name in self.metrics
        }

    def _scores(self, model: Any, languages: tuple[str, str]) -> dict[str, float]:  # noqa: ANN401
        pairs, codec = self.groups[languages], self.codecs[languages]
        sources = [pair.source for pair in pairs]
        limit = max_new_tokens(self.decoding, pairs, codec)
        said, self.decoding = within_memory(
            self.decoding, lambda decoding: generate(model, codec, sources, decoding, limit)
        )
        texts, references = [each.text for each in said], [pair.target for pair in pairs]
        return {
            name: float(corpus(name, _counted(name, texts, references, languages[1]).sum(axis=0)))
            for name in self.metrics
        }


def _counted(
    name: str, texts: Sequence[str], references: Sequence[str], target_lang: str
) -> NDArray[np.float64]:
    """Statistics of a metric; BLEU of characters, where no tool finds the language's words."""
    wanted = "char" if name == "bleu" and refusal(name, target_lang) else AUTO
    return counted(name, texts, references, target_lang, wanted)
