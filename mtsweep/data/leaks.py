"""Training pairs that repeat a dev or test pair, on either side, word for word or nearly.

Two texts are near where their sets of character 5-grams are (Jaccard similarity). A bound sorts
out almost everything first: a text as similar as ``t`` to another shares at least ``t`` of its
5-grams with it, hence with all held-out texts together. What is left is compared with every
held-out text of a like length; where those are many, with those alone that MinHash and
locality-sensitive hashing (datasketch) find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from mtsweep.data.clean import normal
from mtsweep.data.pairs import Conversation, Leak, Pair

_GRAM = 5
_PERMUTATIONS = 128
_LOOSER = 0.25
"""By how much the lookup's threshold is lower than that of the comparison, so that it misses
next to nothing."""


_SAYS_SOMETHING = 40
"""Characters of a last answer, from which another conversation that ends so repeats it."""
_FEW = 300
"""Held-out texts that are compared one by one; more are looked up by MinHash."""


def without_leaks(
    train: Sequence[Pair], held_out: Sequence[Pair], similarity: float
) -> tuple[list[Pair], list[Leak]]:
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
    kept: list[Pair] = []
    leaks: list[Leak] = []
    for pair in train:
        if found := index["source"].nearest(normal(pair.source)):
            leaks.append(Leak(pair.id, found[0], "source", found[1], pair.source))
        elif _may_repeat(pair) and (found := index["target"].nearest(normal(pair.target))):
            leaks.append(Leak(pair.id, found[0], "target", found[1], pair.target))
        else:
            kept.append(pair)
    return kept, leaks


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
        self._grams: set[str] = set()
        for text in self._ids:
            self._grams.update(_grams(text))
        self._query: Callable[[set[str]], Iterable[str]] | None = None

    def nearest(self, text: str) -> tuple[str, float] | None:
        """Id of the held-out text that this one repeats, and how similar they are."""
        if not text:
            return None
        if text in self._ids:
            return self._ids[text], 1.0
        if self._similarity == 1 or len(text) < 2 * _GRAM:
            return None
        grams = _grams(text)
        if len(grams & self._grams) < self._similarity * len(grams):
            return None
        near = [(jaccard, other) for other, jaccard in self._near(grams)]
        if not near:
            return None
        jaccard, other = max(near)
        return self._ids[other], round(jaccard, 3)

    def _near(self, grams: set[str]) -> Iterator[tuple[str, float]]:
        for other in self._candidates(grams):
            theirs = _grams(other)
            jaccard = len(grams & theirs) / len(grams | theirs)
            if jaccard >= self._similarity:
                yield other, jaccard

    def _candidates(self, grams: set[str]) -> Iterable[str]:
        if len(self._ids) > _FEW:
            if self._query is None:
                self._query = self._lookup()
            return self._query(grams)
        # A text of n characters has n - 4 grams at most, fewer where some repeat.
        fewest = self._similarity * len(grams)
        return (text for text in self._ids if len(text) - _GRAM + 1 >= fewest)

    def _lookup(self) -> Callable[[set[str]], Iterable[str]]:
        from datasketch import MinHash, MinHashLSH

        def minhash(grams: set[str]) -> MinHash:
            made = MinHash(num_perm=_PERMUTATIONS)
            made.update_batch([gram.encode() for gram in grams])
            return made

        threshold = max(0.1, self._similarity - _LOOSER)
        lookup = MinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS)
        with lookup.insertion_session() as session:
            for text in self._ids:
                if len(text) >= _GRAM:
                    session.insert(text, minhash(_grams(text)), check_duplication=False)
        return lambda grams: map(str, lookup.query(minhash(grams)))


def _grams(text: str) -> set[str]:
    if len(text) < _GRAM:
        return {text}
    return {text[start : start + _GRAM] for start in range(len(text) - _GRAM + 1)}
