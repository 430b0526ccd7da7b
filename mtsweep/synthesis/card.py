"""The data card: where synthetic pairs are from, what was left out, and how varied they are."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtsweep import __version__
from mtsweep.config import SynthesisConfig
from mtsweep.data.pairs import Corpus
from mtsweep.synthesis.diversity import diversity, sampled
from mtsweep.synthesis.filters import Sieve
from mtsweep.synthesis.ledger import Usage

_SIDES = ("source", "target")


def card(config: SynthesisConfig, corpus: Corpus, path: Path, sieve: Sieve, usage: Usage) -> dict:
    """What the pairs of ``path`` (JSONL) are; the file is read line by line, however long."""
    digest, topics, kept = hashlib.sha256(), Counter[str](), 0
    with path.open("rb") as lines:
        for line in lines:
            digest.update(line)
            topics[json.loads(line)["topic"]] += 1
            kept += 1
    prompt = hashlib.sha256(f"{config.system}\0{config.request}".encode()).hexdigest()
    return {
        "pairs": kept,
        "asked_for": config.pairs,
        "sha256": digest.hexdigest(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "mtsweep": __version__,
        "languages": [corpus.source_lang, corpus.target_lang],
        "teacher": config.name,
        "prompt_sha256": prompt if config.teacher == "chat" else None,
        "licence": config.licence,
        "synthesis": config.model_dump(mode="json"),
        "real": {
            "fingerprint": corpus.fingerprint,
            "test_fingerprint": corpus.test_fingerprint,
            "train": len(corpus.train),
        },
        "dropped": dict(sieve.counts),
        "dropped_examples": sieve.examples,
        "diversity": _diversity(path, kept, corpus),
        "topics": dict(topics.most_common()),
        "usage": {
            "requests": usage.answered,
            "failed_tries": usage.failed,
            "prompt_tokens": usage.prompt_tokens,
            "answer_tokens": usage.answer_tokens,
            "lost_tokens_at_most": usage.lost_tokens,
            "usd": usage.cost(config.price_input, config.price_output),
        },
    }


def _diversity(path: Path, kept: int, corpus: Corpus) -> dict[str, Any]:
    """Figures of both sides beside those of the real training pairs."""
    made = _rows(path, sampled(kept, len(corpus.train)))
    real = [corpus.train[place] for place in sampled(len(corpus.train), kept)]
    return {
        side: {
            "synthetic": diversity([row[side] for row in made]),
            "real": diversity([getattr(pair, side) for pair in real]),
        }
        for side in _SIDES
    }


def _rows(path: Path, places: Sequence[int]) -> list[Mapping[str, str]]:
    """Some rows of a JSONL file, in the order of ``places``."""
    wanted = set(places)
    with path.open("rb") as lines:
        found = {place: line for place, line in enumerate(lines) if place in wanted}
    return [json.loads(found[place]) for place in places]
