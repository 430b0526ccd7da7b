"""Training pairs that a prompt shows as examples: the same for every text, or the nearest.

What is shown for a text depends on the text and the training pairs alone, so that a prompt is the
same, token for token, at training and at generation. A text is never shown its own pair, and no
pair of dev or test is ever shown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from mtsweep.config import PromptConfig
from mtsweep.data.pairs import Corpus, Pair, digest, fold
from mtsweep.errors import UserError

if TYPE_CHECKING:
    import numpy as np

_GRAM = 3
_SPARE = 2
"""Times as many pairs as are shown are kept of ``fixed`` examples, for texts that are one."""

Languages = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Shots:
    """The pairs that may be shown, and how they are chosen."""

    pairs: tuple[Pair, ...]
    languages: Languages
    """Of pairs that name none themselves."""
    count: int
    """Pairs shown for each text, where there are so many and they fit."""
    choice: Literal["fixed", "nearest"]
    limit: int | None
    """Tokens of a prompt with room for an answer, at most; ``None`` knows no limit."""

    def of(self, text: str, languages: Languages) -> tuple[Pair, ...]:
        """The pairs that are shown before a text; of the nearest ones the nearest comes last."""
        found = self._indices.get(languages)
        return found.of(text, self.count, self.choice) if found else ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that decides what is shown."""
        how = [self.count, self.choice, self.limit, self.languages, digest(self.pairs)]
        return hashlib.sha256(json.dumps(how).encode()).hexdigest()

    @cached_property
    def _indices(self) -> dict[Languages, _Index]:
        grouped: dict[Languages, list[Pair]] = {}
        for pair in self.pairs:
            grouped.setdefault(pair.languages or self.languages, []).append(pair)
        return {languages: _Index(pairs) for languages, pairs in grouped.items()}

    def as_json(self) -> str:
        """What a run folder keeps of it, so that a run can be used without its data."""
        pairs = [asdict(pair) for pair in self.pairs]
        told = {"languages": self.languages, "count": self.count, "choice": self.choice}
        return json.dumps({**told, "limit": self.limit, "pairs": pairs}, ensure_ascii=False) + "\n"


def from_json(text: str) -> Shots:
    """What :meth:`Shots.as_json` wrote."""
    told = json.loads(text)
    return Shots(
        tuple(_pair(each) for each in told["pairs"]),
        tuple(told["languages"]),
        told["count"],
        told["choice"],
        told["limit"],
    )


def _pair(told: Mapping[str, Any]) -> Pair:
    languages = tuple(told["languages"]) if told["languages"] else None
    return Pair(**{**told, "languages": languages})


def shots(corpus: Corpus, prompt: PromptConfig, limit: int | None) -> Shots | None:
    """What a prompt may show of a corpus; ``None`` where it shows nothing.

    Args:
        corpus: Its training pairs may be shown, except those that repeat a dev or test pair on
            either side (there are some where ``data.leaks=keep``).
        prompt: How many, and which.
        limit: Tokens of a prompt with room for an answer, at most.

    Raises:
        UserError: if no training pair may be shown.
    """
    if not prompt.shots:
        return None
    held_out = (*corpus.dev, *corpus.test)
    sources = {fold(pair.source) for pair in held_out}
    targets = {fold(pair.target) for pair in held_out}
    free = [
        pair
        for pair in corpus.train
        if fold(pair.source) not in sources and fold(pair.target) not in targets
    ]
    if not free:
        raise UserError("prompt.shots: no training pair may be shown; all repeat dev or test pairs")
    languages = (corpus.source_lang, corpus.target_lang)
    if prompt.choice == "fixed":
        free = _first(free, languages, _SPARE * prompt.shots)
    # What a test text is asked with must never have been held out, whatever changes above.
    assert not any(fold(pair.source) in sources or fold(pair.target) in targets for pair in free)
    return Shots(tuple(free), languages, prompt.shots, prompt.choice, limit)


def _first(pairs: Iterable[Pair], languages: Languages, count: int) -> list[Pair]:
    """The first pairs of every language pair."""
    taken: dict[Languages, int] = {}
    kept = []
    for pair in pairs:
        own = pair.languages or languages
        taken[own] = taken.get(own, 0) + 1
        if taken[own] <= count:
            kept.append(pair)
    return kept


class _Index:
    """The pairs of one language pair, to be looked up by their source text."""

    def __init__(self, pairs: list[Pair]) -> None:
        self._pairs = pairs
        self._places: dict[str, list[int]] = {}
        for place, pair in enumerate(pairs):
            self._places.setdefault(fold(pair.source), []).append(place)

    def of(self, text: str, count: int, choice: str) -> tuple[Pair, ...]:
        own = self._places.get(fold(text), [])
        if choice == "fixed":
            others = [pair for place, pair in enumerate(self._pairs) if place not in own]
            return tuple(others[:count])
        return tuple(self._pairs[place] for place in self._nearest(text, own, count))

    def _nearest(self, text: str, own: list[int], count: int) -> list[int]:
        """Places of the pairs with the best BM25, best last; of equals the first is better."""
        import numpy as np

        scores = self._scores(text)
        scores[own] = -np.inf
        count = min(count, len(scores) - len(own))
        if count < 1:
            return []
        least = np.partition(scores, -count)[-count]
        found = np.flatnonzero(scores >= least)
        best = found[np.argsort(-scores[found], kind="stable")][:count]
        return best[::-1].tolist()

    def _scores(self, text: str) -> np.ndarray:
        import numpy as np

        known = self._ranker.vocab_dict
        asked = [gram for gram in _grams(text) if gram in known]
        if not asked:
            return np.zeros(len(self._pairs))
        return np.array(self._ranker.get_scores(asked), dtype=np.float64)

    @cached_property
    def _ranker(self) -> Any:  # noqa: ANN401 - bm25s has no types
        import bm25s

        ranker = bm25s.BM25()
        ranker.index([_grams(pair.source) for pair in self._pairs], show_progress=False)
        return ranker


def _grams(text: str) -> list[str]:
    """Character 3-grams, word ends included: they need no tokeniser, in any language."""
    padded = f" {fold(text)} "
    return [padded[start : start + _GRAM] for start in range(max(1, len(padded) - _GRAM + 1))]
