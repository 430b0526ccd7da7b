"""Which of a teacher's pairs are kept; whatever is not is counted by its reason, with examples."""

from __future__ import annotations

import statistics
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

from mtsweep import languages
from mtsweep.config import FilterConfig
from mtsweep.data.pairs import Corpus, fold
from mtsweep.synthesis.answers import Draft
from mtsweep.synthesis.meaning import Meaning
from mtsweep.synthesis.near import NearIndex

_EXAMPLES = 5
_SHOWN = 200


class Sieve:
    """Takes drafts one after another and says which stay.

    Args:
        config: What is asked of a pair.
        corpus: The real data: nothing of its dev and test may come in.
        real_texts: Whether one side is real training text, which then is no duplicate of itself.
        meaning: How near a source text is to a real one, where that is asked.
    """

    def __init__(
        self,
        config: FilterConfig,
        corpus: Corpus,
        *,
        real_texts: bool,
        meaning: Meaning | None = None,
    ) -> None:
        self._meaning = meaning
        self.config = config
        self.codes = (languages.iso(corpus.source_lang), languages.iso(corpus.target_lang))
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[dict[str, str]]] = {}
        self.real_texts = real_texts
        self._ratio = statistics.median(_ratio(pair.source, pair.target) for pair in corpus.train)
        self._seen = NearIndex(config.near)
        self._targets = NearIndex(1.0)
        self._train = NearIndex(config.near)
        self._held_out = (NearIndex(config.near), NearIndex(config.near))
        for pair in () if real_texts else corpus.train:
            self._train.add(pair.source)
        for pair in (*corpus.dev, *corpus.test):
            self._held_out[0].add(pair.source)
            self._held_out[1].add(pair.target)

    def look_at(self, drafts: Sequence[Draft]) -> None:
        """See drafts that are to be taken next together: embedding them one by one is slow."""
        if self._meaning is not None:
            self._meaning.look_at([_tidy(draft.source) for draft in drafts])

    def take(self, draft: Draft) -> Draft | None:
        """The pair as it is kept (white space put right), or ``None``."""
        tidy = Draft(_tidy(draft.source), _tidy(draft.target), draft.topic)
        reason = self._reason(tidy)
        if reason is not None:
            self.drop(reason, draft.source, draft.target)
            return None
        self._seen.add(tidy.source)
        self._targets.add(tidy.target)
        return tidy

    def drop(self, reason: str, source: str, target: str, count: int = 1) -> None:
        """Count what is left out."""
        self.counts[reason] += count
        shown = self.examples.setdefault(reason, [])
        if len(shown) < _EXAMPLES:
            shown.append({"source": source[:_SHOWN], "target": target[:_SHOWN]})

    def _reason(self, pair: Draft) -> str | None:
        return self._by_itself(pair) or self._beside_others(pair)

    def _by_itself(self, pair: Draft) -> str | None:
        config, sides = self.config, (pair.source, pair.target)
        if any(_odd(text) for text in sides):
            return "control characters"
        if any(not config.min_chars <= len(text) <= config.max_chars for text in sides):
            return "too short or too long"
        if fold(pair.source) == fold(pair.target):
            return "copy"
        ratio = _ratio(*sides) / self._ratio
        if not 1 / config.max_ratio <= ratio <= config.max_ratio:
            return "length ratio"
        for code, text in zip(self.codes, sides, strict=True):
            if config.language and probability(text, code) < config.language:
                return "wrong language"
        return None

    def _beside_others(self, pair: Draft) -> str | None:
        sides = (pair.source, pair.target)
        for index, text in zip(self._held_out, sides, strict=True):
            if index.exact(text) or index.near(text):
                return "leak: dev or test"
        repeated_target = not self.real_texts and self._targets.exact(pair.target)
        if self._seen.exact(pair.source) or repeated_target:
            return "duplicate"
        if self._seen.near(pair.source):
            return "near duplicate"
        return self._beside_training(pair.source)

    def _beside_training(self, source: str) -> str | None:
        if self._train.exact(source):
            return "in the training pairs"
        if self._train.near(source):
            return "near a training pair"
        if self._meaning and self._meaning.nearest(source) < self.config.meaning:
            return "far from anything real"
        return None


def _tidy(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _odd(text: str) -> bool:
    """Control characters, half surrogate pairs, unassigned or private ones."""
    return any(unicodedata.category(each) in {"Cc", "Cs", "Cn", "Co"} for each in text)


def _ratio(source: str, target: str) -> float:
    return max(1, len(target)) / max(1, len(source))


def probability(text: str, code: str) -> float:
    """Of a text being in a language (py3langid); 1 for one that nobody can tell."""
    identifier = _identifier()
    if code not in identifier.labels:
        return 1.0
    return float(dict(identifier.rank(text))[code])


@cache
def _identifier() -> Any:  # noqa: ANN401 - py3langid is imported late
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
