"""Training pairs that repeat a dev or test pair, on either side, word for word or nearly.

Two texts are near where their sets of character 5-grams are (Jaccard similarity). The search is
exact, and cheap although it is: two sets as similar as ``t`` share at least
``t / (1 + t) * (a + b)`` of their ``a`` and ``b`` grams, so of the few rarest grams of a text, what
it repeats has a good part (the prefix filter of Chaudhuri et al. 2006, with the count of Xiao et
al. 2008). Only held-out texts that have it, of a size that can be similar, are compared.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence

from mtsweep.data import spill
from mtsweep.data.clean import normal
from mtsweep.data.pairs import Conversation, Leak, Pair

_GRAM = 5
_SAYS_SOMETHING = 40
"""Characters of a last answer, from which another conversation that ends so repeats it."""
_ENOUGH = 50
"""Held-out texts that a text was found to repeat, behind which no nearer one is looked for."""
_REMEMBERED = 2**20
"""Characters of held-out texts whose grams are remembered; each takes some 120 bytes."""
_ROUNDING = 1e-9


def without_leaks(
    train: Sequence[Pair], held_out: Sequence[Pair], similarity: float
) -> tuple[Sequence[Pair], list[Leak]]:
    """Training pairs that repeat no held-out pair, and those that do.

    Args:
        train: Training pairs, cleaned.
        held_out: Dev and test pairs; they are left as they are.
        similarity: From which a text repeats another.
    """
    sources = [(pair.id, normal(pair.source)) for pair in held_out]
    targets = [(pair.id, normal(pair.target)) for pair in held_out]
    if len({pair.languages for pair in held_out}) > 1:
        # The source of one direction may be the target of another.
        sources = targets = sources + targets
    index = {"source": _Index(sources, similarity), "target": _Index(targets, similarity)}
    kept = array("q")
    leaks: list[Leak] = []
    for place, pair in enumerate(train):
        if found := index["source"].nearest(normal(pair.source)):
            leaks.append(Leak(pair.id, found[0], "source", found[1], pair.source))
        elif _may_repeat(pair) and (found := index["target"].nearest(normal(pair.target))):
            leaks.append(Leak(pair.id, found[0], "target", found[1], pair.target))
        else:
            kept.append(place)
    return (spill.chosen(train, kept) if leaks else train), leaks


def _may_repeat(pair: Pair) -> bool:
    """Whether an equal target tells anything: many conversations end with "You're welcome!"."""
    return not isinstance(pair, Conversation) or len(pair.target) >= _SAYS_SOMETHING


class _Index:
    """Held-out texts of one side, to look repetitions up in."""

    def __init__(self, texts: list[tuple[str, str]], similarity: float) -> None:
        self._similarity = similarity
        self._ids: dict[str, str] = {}
        for name, text in texts:
            self._ids.setdefault(text, name)
        counts: Counter[str] = Counter()
        sizes: dict[str, int] = {}
        for text in self._ids:  # the sets of all texts at once would be too much to hold
            counts.update(grams := _grams(text))
            sizes[text] = len(grams)
        # Places of held-out texts are in the order of their sizes, so a range of sizes is a range
        # of places.
        self._texts = sorted(self._ids, key=lambda text: (sizes[text], text))
        self._sizes = [sizes[text] for text in self._texts]
        ordered = sorted(counts, key=lambda gram: (counts[gram], gram))
        self._ranks = {gram: rank for rank, gram in enumerate(ordered)}
        """Every gram of a held-out text, rarest first."""
        self._holders: list[list[int]] = [[] for _ in ordered]
        """Of each gram, by its rank, the places of the texts that hold it."""
        for place, text in enumerate(self._texts):
            for gram in _grams(text):
                self._holders[self._ranks[gram]].append(place)
        self._compared: dict[int, set[str]] = {}
        self._characters = 0
        """Of the texts whose grams are remembered."""

    def nearest(self, text: str) -> tuple[str, float] | None:
        """Id of the held-out text that this one repeats, and how similar they are."""
        if not text:
            return None
        if text in self._ids:
            return self._ids[text], 1.0
        if self._similarity == 1 or len(text) < 2 * _GRAM:
            return None
        grams = _grams(text)
        ranks = self._ranks
        known = [ranks[gram] for gram in grams if gram in ranks]
        if len(known) < self._similarity * len(grams):
            return None
        near: list[tuple[float, str]] = []
        for place in self._candidates(sorted(known), len(grams)):
            theirs = self._of(place)
            shared = len(grams & theirs)
            jaccard = shared / (len(grams) + len(theirs) - shared)
            if jaccard >= self._similarity:
                near.append((jaccard, self._texts[place]))
                if len(near) == _ENOUGH:
                    break
        if not near:
            return None
        jaccard, other = max(near)
        return self._ids[other], round(jaccard, 3)

    def _candidates(self, known: list[int], size: int) -> Iterator[int]:
        """Places of held-out texts that may be similar enough.

        Args:
            known: Ranks of the text's grams that any held-out text has, rarest first.
            size: Grams of the text, the others included.
        """
        wanted = self._similarity
        first = bisect_left(self._sizes, wanted * size - _ROUNDING)
        behind = bisect_right(self._sizes, size / wanted + _ROUNDING)
        # What shares none of the rarest ones shares fewer than it takes.
        rarest = known[: len(known) - math.ceil(wanted * size - _ROUNDING) + 1]
        shared: Counter[int] = Counter()
        for rank in rarest:
            holders = self._holders[rank]
            shared.update(holders[bisect_left(holders, first) : bisect_left(holders, behind)])
        left = len(known) - len(rarest)
        for place, count in shared.items():
            least = wanted / (1 + wanted) * (size + self._sizes[place]) - _ROUNDING
            if count + left >= least:
                yield place

    def _of(self, place: int) -> set[str]:
        if place not in self._compared:
            if self._characters > _REMEMBERED:
                self._compared.clear()
                self._characters = 0
            self._compared[place] = _grams(self._texts[place])
            self._characters += len(self._texts[place])
        return self._compared[place]


def _grams(text: str) -> set[str]:
    if len(text) < _GRAM:
        return {text}
    return {text[start : start + _GRAM] for start in range(len(text) - _GRAM + 1)}
