"""Which language texts are in, by py3langid's model, many texts at a time.

py3langid walks its automaton over a text byte by byte in Python. Here the bytes of a thousand
texts advance together, one column of an array at a step; the model and the decision are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

CHUNK = 1024
"""Texts that are walked over together."""
_LONGEST = 2048
"""Bytes up to which texts are walked together; a longer one would stretch the array for all."""


class Identifier:
    """py3langid's model, with a way through it for many texts."""

    def __init__(self) -> None:
        import numpy as np
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        self._one: Any = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        self.labels: frozenset[str] = frozenset(self._one.labels)
        self._next: Any = np.frombuffer(self._one.tk_nextmove, self._one.tk_nextmove.typecode)
        self._base = np.asarray(self._one.tk_row, np.int32) << 8
        self._feature = np.asarray(self._one.tk_output, np.int32)
        self._weights = np.asarray(self._one.nb_ptc, np.float32)

    def classify(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """Language (ISO 639-1) and calibrated probability of each text."""
        found: list[tuple[str, float]] = [("", 0.0)] * len(texts)
        encoded = [self._one._encode(text) for text in texts]  # noqa: SLF001 - its own folding
        order = sorted(range(len(texts)), key=lambda place: len(encoded[place]))
        for start in range(0, len(order), CHUNK):
            places = order[start : start + CHUNK]
            walked = [place for place in places if 0 < len(encoded[place]) <= _LONGEST]
            for place in set(places).difference(walked):
                found[place] = self._one.classify(texts[place])
            if walked:
                told = self._walked([encoded[place] for place in walked])
                for place, each in zip(walked, told, strict=True):
                    found[place] = each
        return found

    def _walked(self, texts: list[bytes]) -> list[tuple[str, float]]:
        """Texts in order of length."""
        import numpy as np

        lengths = np.array([len(text) for text in texts])
        longest = int(lengths[-1])
        padded = b"".join(text.ljust(longest, b"\0") for text in texts)
        columns = np.ascontiguousarray(
            np.frombuffer(padded, np.uint8).reshape(len(texts), longest).T
        )
        state = np.zeros(len(texts), np.int32)
        features = np.full((longest, len(texts)), -1, np.int32)
        begins = np.searchsorted(lengths, np.arange(longest), side="right")
        for step, first in enumerate(begins):  # texts before ``first`` have ended
            moved = self._next[self._base[state[first:]] + columns[step, first:]]
            state[first:] = moved
            features[step, first:] = self._feature[moved]
        return self._decided(features, lengths)

    def _decided(self, features: np.ndarray, lengths: np.ndarray) -> list[tuple[str, float]]:
        """Naive Bayes over the features of each text, softened by its length."""
        import numpy as np
        from scipy.sparse import csr_matrix

        one = self._one
        rows = np.broadcast_to(np.arange(features.shape[1]), features.shape)
        there = features >= 0
        counts: Any = csr_matrix(
            (np.ones(int(there.sum()), np.float32), (rows[there], features[there])),
            shape=(features.shape[1], len(self._weights)),
        )
        counts.sum_duplicates()
        counts.data = np.log1p(counts.data)
        scores: np.ndarray = np.asarray(counts @ self._weights)
        scores[np.diff(counts.indptr) > 0] += one.nb_pc
        scores /= np.sqrt(lengths)[:, None].astype(np.float32)
        np.exp(scores - scores.max(axis=1, keepdims=True), out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        for first, same in one._alias_pairs:  # noqa: SLF001 - two names of one language
            scores[:, first] += scores[:, same]
            scores[:, same] = 0
        best = scores.argmax(axis=1)
        sure = scores[np.arange(len(best)), best]
        return [
            (one.nb_classes[place], float(share)) for place, share in zip(best, sure, strict=True)
        ]


@cache
def identifier() -> Identifier:
    """The model, loaded once."""
    return Identifier()
