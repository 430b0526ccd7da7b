"""Plans of requests: new pairs from topics and examples, or texts that are to be translated."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence

from mtsweep import languages
from mtsweep.config import SynthesisConfig
from mtsweep.data.pairs import Corpus
from mtsweep.synthesis.requests import Request, make

_MOST_REQUESTS = 20
"""Requests at most, as a multiple of what the pairs asked for would take if all were kept."""


class Writing:
    """Requests for new pairs: every topic meets every register and length before any returns."""

    def __init__(self, config: SynthesisConfig, corpus: Corpus) -> None:
        self.config = config
        self.corpus = corpus
        self.per_request = config.pairs_per_request
        self.limit = _MOST_REQUESTS * -(-config.pairs // self.per_request)
        cells = list(itertools.product(config.topics, config.registers, config.lengths))
        random.Random(config.seed).shuffle(cells)
        self._cells = cells

    def request(self, index: int) -> Request:
        """The request at a place; always the same."""
        config, corpus = self.config, self.corpus
        topic, register, (shortest, longest) = self._cells[index % len(self._cells)]
        chance = random.Random(f"{config.seed} {index}")
        shown = chance.sample(corpus.train, min(config.examples, len(corpus.train)))
        source, target = languages.iso(corpus.source_lang), languages.iso(corpus.target_lang)
        examples = [{source: pair.source, target: pair.target} for pair in shown]
        fields = {
            "source": languages.name(corpus.source_lang),
            "target": languages.name(corpus.target_lang),
            "source_code": source,
            "target_code": target,
            "count": config.pairs_per_request,
            "topic": topic,
            "register": register,
            "shortest": shortest,
            "longest": longest,
            # As JSON, so that quotes, newlines and braces of a text stay inside it.
            "examples": json.dumps({"pairs": examples}, ensure_ascii=False),
        }
        messages = [{"role": "user", "content": config.request.format(**fields)}]
        if config.system:
            messages.insert(0, {"role": "system", "content": config.system.format(**fields)})
        body = {
            "messages": messages,
            "temperature": config.temperature,
            "max_tokens": config.max_tokens,
            "seed": config.seed + index,
        }
        return make(index, str(config.model), body, (topic,), config.max_tokens)


class Translating:
    """Batches of texts that are there."""

    def __init__(
        self, config: SynthesisConfig, texts: Sequence[tuple[str, str]], teacher: str
    ) -> None:
        self.texts = texts
        self.teacher = teacher
        self.per_request = config.batch
        self.limit = -(-len(texts) // config.batch)

    def request(self, index: int) -> Request:
        """The request at a place; always the same."""
        part = self.texts[index * self.per_request : (index + 1) * self.per_request]
        texts = [text for text, _ in part]
        return make(index, self.teacher, {"texts": texts}, tuple(topic for _, topic in part), 0)
