"""How near texts are in meaning to real ones, by sentence embeddings (the extra ``embeddings``)."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

from mtsweep.config import FilterConfig, ModelConfig
from mtsweep.data.pairs import Corpus
from mtsweep.errors import MissingExtraError, UserError
from mtsweep.models.locate import Located, locate

_KEY = "synthesis.filters.embedding"
_REAL = 20_000
"""Training texts that are compared with, at most: the first ones, which are a random choice."""


def find(filters: FilterConfig) -> Located | None:
    """The embedding model that is asked for, before anybody is asked; ``None``: none is.

    Raises:
        MissingExtraError: if sentence-transformers is not installed.
        UserError: if the model is not there.
    """
    if filters.embedding is None:
        return None
    if importlib.util.find_spec("sentence_transformers") is None:
        raise MissingExtraError(_KEY, "sentence-transformers", "embeddings")
    try:
        return locate(ModelConfig(name=filters.embedding, kind="causal", source="hub"))
    except UserError as error:
        raise UserError(str(error).replace("model.name", _KEY, 1)) from error


class Meaning:
    """Real training texts as points, and how far other texts are from the nearest of them.

    Args:
        located: A sentence-transformers model, or any encoder, which is mean-pooled.
        corpus: Whose training pairs are real.
    """

    def __init__(self, located: Located, corpus: Corpus) -> None:
        self._model = _loaded(located)
        self._real = self._embedded([pair.source for pair in corpus.train[:_REAL]])
        self._nearest: dict[str, float] = {}

    def look_at(self, texts: Sequence[str]) -> None:
        """Embed some texts at once; those of before are forgotten."""
        self._nearest = {}
        if texts:
            nearest = (self._embedded(texts) @ self._real.T).max(axis=1)
            self._nearest = {text: float(each) for text, each in zip(texts, nearest, strict=True)}

    def nearest(self, text: str) -> float:
        """Cosine between a text and the nearest real one; 1 is the same."""
        if text not in self._nearest:
            self.look_at([text])
        return self._nearest[text]

    def _embedded(self, texts: Sequence[str]) -> Any:  # noqa: ANN401 - an array; numpy comes late
        return self._model.encode(
            list(texts), batch_size=64, normalize_embeddings=True, show_progress_bar=False
        )


def _loaded(located: Located) -> Any:  # noqa: ANN401 - a SentenceTransformer
    import logging

    import transformers
    from sentence_transformers import SentenceTransformer

    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    hub = "/" in located.name and len(located.revision) == 40
    try:
        return SentenceTransformer(
            located.name,
            revision=located.revision if hub else None,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError) as error:
        raise UserError(f"{_KEY}: {located.name} cannot be loaded: {error}") from error
