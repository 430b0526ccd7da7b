"""Pairs a second through cleaning, the share of each step, and what a cache hit takes.

``data.py [clean [PAIRS]]``, ``data.py cache [PAIRS [MODEL]]``, ``data.py leaks [PAIRS]``; on one
core.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from mtsweep.config import DataConfig
from mtsweep.config.data import MILD
from mtsweep.data.clean import cleaned
from mtsweep.data.leaks import without_leaks
from mtsweep.data.pairs import Pair, fold
from mtsweep.data.phrases import phrases

SAMPLE = 100_000
PEER = 5_000
"""Texts that py3langid is given one by one, for the ratio."""


def drawn(count: int) -> list[tuple[str, str]]:
    """Two phrases and a number on each side: distinct, 95 characters in all on average."""
    rows = [(row["eng_Latn"], row["spa_Latn"]) for book in phrases().values() for row in book]
    draw = random.Random(1)
    made = []
    for number in range(count):
        (a, b), (c, d) = draw.choice(rows), draw.choice(rows)
        made.append((f"{a} {c} ({number})", f"{b} {d} ({number})"))
    return made


def section(*steps: str, **changes: object) -> DataConfig:
    told = {"name": "x", "source": "phrasebook", "source_lang": "eng_Latn"}
    return DataConfig.model_validate({**told, "target_lang": "spa_Latn", "clean": steps, **changes})


def clean(count: int) -> None:
    """The whole way twice, without and with language identification; then each step by itself."""
    texts = drawn(count)
    pairs = [Pair(f"x:{n}", s, t, "x", fold(s)) for n, (s, t) in enumerate(texts)]
    mean = sum(len(s) + len(t) for s, t in texts) / count
    print(f"{count:,} pairs of {mean:.0f} characters")
    for title, steps in (("mild", MILD), ("mild and language", (*MILD, "language"))):
        began = time.perf_counter()
        kept, _ = cleaned(pairs, [], section(*steps))
        took = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"{title}: {count / took:,.0f} pairs/s ({took:.1f} s), {len(kept):,} kept, "
            f"peak {peak:.2f} GiB with the pairs themselves"
        )
    sample, spent = pairs[:SAMPLE], {}
    for name in (*MILD, "language"):
        began = time.perf_counter()
        cleaned(sample, [], section(name))
        spent[name] = (time.perf_counter() - began) / len(sample)
    whole = sum(spent.values())
    for name, seconds in spent.items():
        print(f"  {name:15} {1e6 * seconds:6.2f} us/pair  {seconds / whole:6.1%}")
    _peer([text for pair in texts[:PEER] for text in pair])


def _peer(texts: list[str]) -> None:
    """The same texts through py3langid's own function."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    from mtsweep.data.identify import identifier

    peer = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    began = time.perf_counter()
    theirs = [peer.classify(text)[0] for text in texts]
    between = time.perf_counter()
    ours = [code for code, _ in identifier().classify(texts)]
    ended = time.perf_counter()
    same = sum(one == other for one, other in zip(theirs, ours, strict=True))
    print(
        f"language of {len(texts):,} texts: {(between - began) / (ended - between):.1f} times as "
        f"fast as py3langid one by one, {same:,} answers the same"
    )


_LOAD = """
import hashlib, json, sys, time
from datasets import Dataset
from transformers import AutoTokenizer
from mtsweep import data
from mtsweep.config import DataConfig, PromptConfig
from mtsweep.models.codec import Codec
from mtsweep.training import examples
tokenizer = AutoTokenizer.from_pretrained(sys.argv[2])
prompt = PromptConfig(name="x", template="{source}: {text}\\n{target}:")
codec = Codec(tokenizer, "causal", ("eng_Latn", "spa_Latn"), prompt)
began = time.perf_counter()
corpus = data.load(DataConfig.model_validate_json(sys.argv[1]))
loaded = time.perf_counter()
made = examples.causal(corpus.train, codec, 256)
lengths = examples.lengths(made.rows)
ended = time.perf_counter()
said = hashlib.sha256(repr(made.rows[:1000]).encode()).hexdigest()
told = [corpus.fingerprint, said, len(lengths), int(lengths.sum())]
print(json.dumps([loaded - began, ended - loaded, told]))
"""


def cache(count: int, model: str = "tiny_causal") -> None:
    """The same file in three processes: made, read back, and made again without the store.

    Imports and the tokenizer are there before the clock starts.
    """
    folder = model if "/" in model else str(_tiny(model))
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "pairs.jsonl"
        with file.open("w", encoding="utf-8") as out:
            for source, target in drawn(count):
                out.write(json.dumps({"source": source, "target": target}) + "\n")
        config = section(*MILD, source="files", train_file=str(file), test_size=1000, dev_size=500)
        results = []
        for title, kept in (("made", "on"), ("read back", "on"), ("without", "off")):
            ran = subprocess.run(
                [sys.executable, "-c", _LOAD, config.model_dump_json(), folder],
                env={**os.environ, "MTSWEEP_CACHE": place, "MTSWEEP_PREPARED": kept},
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            data, ids, told = json.loads(ran.stdout)
            results.append(told)
            print(
                f"{title}: {data + ids:.2f} s, {data:.2f} s for the data and {ids:.2f} s for "
                f"{told[3]:,} token ids of {told[2]:,} training pairs"
            )
        stored = [path.stat().st_size for path in (Path(place) / "prepared").iterdir()]
        same = results[0] == results[1] == results[2]
        print(f"{sum(stored) / 2**20:.0f} MiB kept; the same in all three: {same}")


def _tiny(name: str) -> Path:

    from tests.small import small_base

    return Path(small_base(name).tokenizer.name_or_path)


def leaks(count: int) -> None:
    """Training pairs against 1,500 held-out ones: short texts, texts that differ in a number alone,
    and texts as long as conversations.
    """
    draw = random.Random(2)
    book = [text for pair in drawn(2000) for text in pair]
    numbers = [
        (f"The item with the number {n} is now on its way to the shop at the corner of the old "
         f"market square", f"El artículo con el número {n} va ahora camino de la tienda de la "
         f"esquina de la plaza del mercado viejo") for n in draw.sample(range(10**7), count)
    ]  # fmt: skip
    long = [tuple(" ".join(draw.choices(book, k=23)) for _ in range(2)) for _ in range(count // 10)]
    for title, texts in (("short", drawn(count)), ("numbers", numbers), ("long", long)):
        pairs = [Pair(f"x:{n}", s, t, "x", fold(s)) for n, (s, t) in enumerate(texts)]
        train, held_out = pairs[1500:], pairs[:1500]
        began = time.perf_counter()
        _, found = without_leaks(train, held_out, 0.9)
        took = time.perf_counter() - began
        mean = sum(len(s) for s, _ in texts) / len(texts)
        print(
            f"{title}: {len(train):,} pairs of {mean:.0f} characters a side in {took:.1f} s "
            f"({1e3 * took / len(train):.2f} ms each), {len(found):,} leaks"
        )


if __name__ == "__main__":
    what = sys.argv[1] if len(sys.argv) > 1 else "clean"
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000 if what == "clean" else 100_000
    {"clean": clean, "cache": cache, "leaks": leaks}[what](number, *sys.argv[3:])
