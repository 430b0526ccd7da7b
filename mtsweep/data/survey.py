"""What there is to know about a corpus before anything is trained on it, as plain values."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from mtsweep.data.pairs import Corpus, Leak, Pair, Step
from mtsweep.data.scripts import told_languages

if TYPE_CHECKING:
    import numpy as np

SAMPLES = 10
_IDENTIFIED = 2000
"""Training texts of a side whose language is looked at."""
_BINS = 30
_TOGETHER = 8192
"""Pairs that are measured together."""
_JOINERS = {"\u200c", "\u200d"}
"""Invisible, but part of the spelling of many Indian and Iranian languages."""


@dataclass(frozen=True)
class Stage:
    """A place on the way from the rows that were read to the pairs that are trained on."""

    name: str
    left: int
    """Pairs left behind it."""
    out: int = 0
    """Pairs that it took out."""
    step: Step | None = None
    """The cleaning step, where it is one."""
    examples: tuple[tuple[str, str], ...] = ()
    """Source and target of some of what the reader left out."""


@dataclass(frozen=True)
class Spread:
    """How a figure is spread over pairs."""

    mean: float
    low: float
    """5 % are lower."""
    median: float
    high: float
    """5 % are higher."""
    most: float


@dataclass(frozen=True)
class Histogram:
    """Counts in equal bins; the last bin also holds what lies beyond its end."""

    title: str
    unit: str
    edges: tuple[float, ...]
    """One more than there are bins."""
    counts: tuple[tuple[str, tuple[int, ...]], ...]
    """Name of a series (a side), and its count in each bin."""
    beyond: int
    """Values, of all series, that lie beyond the last edge."""


@dataclass(frozen=True)
class Told:
    """What the texts of a side are, by py3langid."""

    side: str
    language: str
    """FLORES-200 code that they should be in."""
    texts: int
    """Long enough to tell, out of those looked at."""
    found: tuple[tuple[str, int], ...]
    """ISO 639-1 code and count, most frequent first; the empty code: not sure."""


@dataclass(frozen=True)
class Survey:
    """What a corpus holds, what was left out on the way, and what it looks like."""

    pairs: tuple[tuple[str, str, int], ...]
    """Source language, target language, and training pairs."""
    provenance: tuple[str, ...]
    stages: tuple[Stage, ...]
    synthetic_stages: tuple[Stage, ...]
    origins: tuple[tuple[str, int, int, int], ...]
    """Origin, and its train, dev and test pairs; most frequent first."""
    spreads: tuple[tuple[str, Spread], ...]
    """What is measured, over the training pairs."""
    histograms: tuple[Histogram, ...]
    told: tuple[Told, ...]
    samples: tuple[Pair, ...]
    leaks: tuple[Leak, ...]
    malformed: tuple[str, ...]
    train: int
    dev: int
    test: int
    fingerprint: str
    test_fingerprint: str


def survey(corpus: Corpus) -> Survey:
    """Look a corpus over."""
    train = corpus.train
    figures, languages, origins = _looked_over(corpus)
    stride = max(1, len(train) // SAMPLES)
    return Survey(
        pairs=tuple((*codes, count) for codes, count in languages.most_common()),
        provenance=corpus.provenance,
        stages=tuple(_stages(corpus)),
        synthetic_stages=tuple(_synthetic_stages(corpus)),
        origins=tuple(_origins(corpus, origins)),
        spreads=tuple((name, _spread(values)) for name, values in figures.items()),
        histograms=_histograms(figures),
        told=() if corpus.is_chat else tuple(_told(corpus)),
        samples=tuple(train[::stride][:SAMPLES]),
        leaks=corpus.leaks,
        malformed=corpus.malformed,
        train=len(train),
        dev=len(corpus.dev),
        test=len(corpus.test),
        fingerprint=corpus.fingerprint,
        test_fingerprint=corpus.test_fingerprint,
    )


def visible(text: str, most: int | None = None) -> str:
    """Text with what no eye can see named (``‹U+200B›``), and cut off behind ``most`` characters.

    Line breaks become spaces; joiners that spelling needs stay.
    """
    shown = text if most is None or len(text) <= most else text[: most - 1] + "…"
    if shown.isprintable():
        return shown
    return "".join(_seen(sign) for sign in shown)


def _seen(sign: str) -> str:
    if sign in "\n\r\t\u00a0\u202f":
        return " "
    if sign.isprintable() or sign in _JOINERS or unicodedata.category(sign) == "Zs":
        return sign
    return f"‹U+{ord(sign):04X}›"


def _stages(corpus: Corpus) -> Iterator[Stage]:
    """Reading, the split, each step of cleaning, leaks, size: counted back from what is left."""
    real = {name: n for name, n in corpus.dropped.items() if not name.startswith("synthetic: ")}
    steps = [step for step in corpus.steps if not step.name.startswith("synthetic: ")]
    left = corpus.available + real.get("leak", 0) + sum(step.dropped for step in steps)
    overlap = "also in test or dev"
    # A reader and a step may call what they leave out the same.
    read = Counter({name: n for name, n in real.items() if name not in {overlap, "leak"}})
    read -= Counter({step.name: step.dropped for step in steps})
    held_out = len(corpus.dev) + len(corpus.test)
    left += held_out + real.get(overlap, 0) + sum(read.values())
    yield Stage("read", left)
    for name, count in read.items():
        left -= count
        yield Stage(name, left, count, examples=corpus.left_out.get(name, ()))
    left -= held_out
    yield Stage("held out as dev and test", left, held_out)
    if overlap in real:
        left -= real[overlap]
        yield Stage(overlap, left, real[overlap])
    yield from _cleaning(steps, left, real.get("leak", 0))
    taken = len(corpus.train) - corpus.synthetic
    if taken < corpus.available:
        yield Stage("not taken (size, share)", taken, corpus.available - taken)


def _synthetic_stages(corpus: Corpus) -> Iterator[Stage]:
    prefix = "synthetic: "
    made = {n.removeprefix(prefix): c for n, c in corpus.dropped.items() if n.startswith(prefix)}
    if not (made or corpus.synthetic_available):
        return
    steps = [step for step in corpus.steps if step.name.startswith(prefix)]
    read = Counter({name: count for name, count in made.items() if name != "leak"})
    read -= Counter({step.name.removeprefix(prefix): step.dropped for step in steps})
    left = corpus.synthetic_available + sum(made.values())
    yield Stage("read", left)
    for name, count in read.items():
        left -= count
        yield Stage(name, left, count, examples=corpus.left_out.get(prefix + name, ()))
    yield from _cleaning(steps, left, made.get("leak", 0))
    if corpus.synthetic < corpus.synthetic_available:
        yield Stage(
            "not taken (size, share)",
            corpus.synthetic,
            corpus.synthetic_available - corpus.synthetic,
        )


def _cleaning(steps: Iterable[Step], left: int, leaks: int) -> Iterator[Stage]:
    for step in steps:
        left -= step.dropped
        yield Stage(step.name.removeprefix("synthetic: "), left, step.dropped, step)
    if leaks:
        yield Stage("repeats a dev or test text", left - leaks, leaks)


def _origins(corpus: Corpus, train: Counter[str]) -> Iterator[tuple[str, int, int, int]]:
    parts = [train, *(Counter(p.origin for p in part) for part in (corpus.dev, corpus.test))]
    for origin, _ in sum(parts, Counter()).most_common():
        counts = [part[origin] for part in parts]
        yield origin, counts[0], counts[1], counts[2]


def _looked_over(
    corpus: Corpus,
) -> tuple[dict[str, np.ndarray], Counter[tuple[str, str]], Counter[str]]:
    """Figures of all training pairs, and counts of their languages and origins, in one go."""
    import numpy as np

    count = len(corpus.train)
    names = ("source characters", "target characters", "source words", "target words")
    made: dict[str, Any] = {name: np.empty(count, np.int32) for name in names}
    languages: Counter[tuple[str, str]] = Counter()
    origins: Counter[str] = Counter()
    rest = iter(corpus.train)
    for start in range(0, count, _TOGETHER):
        pairs = list(islice(rest, _TOGETHER))
        texts = [pair.source for pair in pairs], [pair.target for pair in pairs]
        rows = [list(map(len, side)) for side in texts]
        rows += [[len(text.split()) for text in side] for side in texts]
        for name, row in zip(names, rows, strict=True):
            made[name][start : start + len(row)] = row
        languages.update(corpus.languages(pair) for pair in pairs)
        origins.update(pair.origin for pair in pairs)
    sides = made["target characters"], made["source characters"]
    made["target / source characters"] = sides[0] / np.maximum(sides[1], 1)
    return made, languages, origins


def _spread(values: np.ndarray) -> Spread:
    import numpy as np

    low, median, high = np.percentile(values, (5, 50, 95))
    return Spread(float(values.mean()), float(low), float(median), float(high), float(values.max()))


def _histograms(figures: dict[str, np.ndarray]) -> tuple[Histogram, ...]:
    sides = ("source", "target")
    ratio = "target / source characters"
    return (
        *(
            _histogram(
                f"Length in {unit}", unit, {side: figures[f"{side} {unit}"] for side in sides}
            )
            for unit in ("words", "characters")
        ),
        _histogram("Length of the target to the source", "ratio", {ratio: figures[ratio]}),
    )


def _histogram(title: str, unit: str, series: dict[str, np.ndarray]) -> Histogram:
    """Bins up to where 1 % of the values lie beyond; whole numbers are not cut in two."""
    import numpy as np

    every = np.concatenate(list(series.values()))
    end = float(np.percentile(every, 99))
    if every.dtype.kind == "i":
        width = max(1, -(-int(end + 1) // _BINS))
        edges = np.arange(0, int(end) + width + 1, width).astype(float)
    else:
        edges = np.linspace(0, max(end, 1e-9), _BINS + 1)
    counts = []
    for name, values in series.items():
        inside, _ = np.histogram(np.minimum(values, edges[-1]), edges)
        counts.append((name, tuple(int(count) for count in inside)))
    beyond = int((every > edges[-1]).sum())
    return Histogram(title, unit, tuple(float(edge) for edge in edges), tuple(counts), beyond)


def _told(corpus: Corpus) -> Iterator[Told]:
    sides: dict[tuple[str, str], list[str]] = {}
    stride = max(1, len(corpus.train) // _IDENTIFIED)
    for pair in corpus.train[::stride]:
        source, target = corpus.languages(pair)
        sides.setdefault(("source", source), []).append(pair.source)
        sides.setdefault(("target", target), []).append(pair.target)
    for (side, language), texts in sides.items():
        found = told_languages(texts)
        yield Told(side, language, found.total(), tuple(found.most_common(5)))
