"""Lines a second of translating with a run, beside what one would write oneself; same text told.

``translate.py lm RUN [--lines 2000] [--plain N] [--eight N] [--output-dir D]``: a decoder-only run
(a tuned SmolLM2) by the translator, by a loop of ``generate`` a line, and by batches of 8 in file
order. The weights are merged for all three and every line has the same limit of tokens; the two
others may be given an even sample of the lines.

``translate.py seq2seq [--lines 2000]``: CTranslate2 beside transformers, both by the translator, on
``tiny_seq2seq``, where it is mostly the steps of Python that count, and on an M2M100 with its
tokenizer and 6 + 6 layers of 512 (45 M). Weights are random, so every output goes to the limit.

Fewer lines than 2,000 are taken evenly out of them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch

from mtsweep import device
from mtsweep.config import DecodingConfig, RunConfig
from mtsweep.data.phrases import phrases
from mtsweep.evaluation.generate import Hypothesis, generation_config, hypothesis
from mtsweep.export import ctranslate, reload
from mtsweep.models import tiny
from mtsweep.models.load import Base
from mtsweep.models.locate import locate
from mtsweep.serve import resolve
from mtsweep.serve.ctranslate import speak
from mtsweep.serve.lines import translated
from mtsweep.serve.translator import Translator, opened, quiet
from tests.overrides import config as configured

WIDE = {"d_model": 512, "encoder_ffn_dim": 2048, "decoder_ffn_dim": 2048, "encoder_layers": 6,
        "decoder_layers": 6, "encoder_attention_heads": 8, "decoder_attention_heads": 8,
        "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0}  # fmt: skip

_ALL = 2000


def lines_of(count: int) -> list[str]:
    """The phrasebook's English lines in its order, then two of them at a time: no line twice."""
    rows = [row["eng_Latn"] for book in phrases().values() for row in book]
    pairs = (f"{one} {other}" for one, other in zip(rows, cycle(rows[7:]), strict=False))
    return list(islice(dict.fromkeys([*rows, *pairs]), count))


def _told(lines: Sequence[str]) -> str:
    characters = sum(map(len, lines)) / len(lines)
    return f"{len(lines):,} lines of {characters:.0f} characters, {torch.get_num_threads()} threads"


def even(lines: Sequence[str], count: int | None) -> list[str]:
    """So many of the lines, evenly out of all."""
    wanted = min(count or len(lines), len(lines))
    return [lines[place * len(lines) // wanted] for place in range(wanted)]


@dataclass(frozen=True)
class Rate:
    """Lines a second by the clock, and by the time that the cores were busy with it.

    The second is what tells on a machine that does other things too (with OMP_NUM_THREADS=1:
    threads that wait for one another count as busy).
    """

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:7.2f} lines/s, {self.cpu:7.2f} a CPU second"

    def over(self, other: Rate) -> str:
        """How many times as fast as another."""
        return f"{self.wall / other.wall:.2f} times by the clock, {self.cpu / other.cpu:.2f} by CPU"


def timed(
    lines: Sequence[str], how: Callable[[Sequence[str]], list[str]]
) -> tuple[Rate, list[str]]:
    """The rate, and what the lines came to; a few are translated before the clock starts."""
    how(lines[:2])
    began = time.perf_counter(), time.process_time()
    said = how(lines)
    count = len(lines)
    wall, busy = time.perf_counter() - began[0], time.process_time() - began[1]
    return Rate(count / wall, count / busy), said


def whole(translator: Translator) -> Callable[[Sequence[str]], list[str]]:
    """As the command does it, piece by piece."""
    return lambda lines: [text for _, out, _ in translated(translator, lines) for text in out]


def in_batches(translator: Translator, size: int) -> Callable[[Sequence[str]], list[str]]:
    """A loop over the lines in their order, ``size`` at a time, as one would write it."""

    def translate(lines: Sequence[str]) -> list[str]:
        codec, said = translator._codec(), []
        for start in range(0, len(lines), size):
            texts = lines[start : start + size]
            said += _batch(
                translator._model, codec, texts, [translator._limit(codec, t) for t in texts]
            )
        return said

    return translate


def _batch(model: Any, codec: Any, texts: Sequence[str], limits: Sequence[int]) -> list[str]:
    ids = [codec.source_ids(text) for text in texts]
    given = codec.tokenizer.pad({"input_ids": ids}, padding_side="left", return_tensors="pt")
    config = generation_config(model, codec, DecodingConfig(name="greedy"), max(limits))
    with torch.no_grad():
        out = model.generate(**given.to(model.device), generation_config=config)
    rows = out[:, given["input_ids"].shape[1] :].tolist()
    return [
        _line(hypothesis(row[:limit], codec, config))
        for row, limit in zip(rows, limits, strict=True)
    ]


def _line(said: Hypothesis) -> str:
    return " ".join(said.text.splitlines())


def lm(given: argparse.Namespace) -> None:
    chosen = resolve.choose(given.run, given.output_dir, (None, None))
    lines = even(lines_of(_ALL), given.lines)
    print(f"{chosen.name}: {chosen.config.model.name}, {_told(lines)}")
    with quiet(), opened(chosen.config, chosen.trained, chosen.known, chosen.shots) as translator:
        arms = [
            ("a line at a time", even(lines, given.plain), in_batches(translator, 1)),
            ("8 in file order", even(lines, given.eight), in_batches(translator, 8)),
            ("mtsweep", lines, whole(translator)),
        ]
        rates, said = {}, {}
        for name, some, how in arms:
            rates[name], out = timed(some, how)
            said[name] = dict(zip(some, out, strict=True))
            print(f"{name:<18} {rates[name]}, over {len(some):,} lines", flush=True)
    for name, _, _ in arms[:2]:
        same = sum(said["mtsweep"][line] == text for line, text in said[name].items())
        print(
            f"mtsweep against {name}: {rates['mtsweep'].over(rates[name])}; "
            f"same text in {same} of {len(said[name])}"
        )


def stand_in(folder: Path, sizes: dict[str, Any]) -> Base:
    """A model of the architecture of NLLB, as ``tiny_seq2seq`` but for some sizes."""
    from transformers import AutoTokenizer, M2M100Config, M2M100ForConditionalGeneration

    small = tiny.obtain("tiny_seq2seq", locate(_seq2seq().model).revision)
    tokenizer: Any = AutoTokenizer.from_pretrained(small)
    torch.manual_seed(7)
    config = M2M100Config.from_pretrained(small, **sizes)
    made: Any = M2M100ForConditionalGeneration(config)
    for parameter in made.parameters():
        if parameter.dim() > 1:
            parameter.data *= 2  # else the likeliest token is a matter of rounding
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Base(made.eval(), tokenizer, "nllb")


def _seq2seq() -> RunConfig:
    return configured({"model": "tiny_seq2seq", "decoding.max_new_tokens": 24})


def seq2seq(given: argparse.Namespace) -> None:
    lines = even(lines_of(_ALL), given.lines)
    for name, sizes in (("tiny_seq2seq", {}), ("6 + 6 layers of 512", WIDE)):
        with tempfile.TemporaryDirectory() as place, quiet():
            base = stand_in(Path(place) / "whole", sizes)
            print(f"{name}, {base.model.num_parameters() / 1e6:.1f} M parameters, {_told(lines)}")
            _engines(base, Path(place), lines)


def _engines(base: Base, folder: Path, lines: Sequence[str]) -> None:
    config = _seq2seq()
    rate, wanted = timed(lines, whole(Translator(base, base.model, config)))
    print(f"transformers          {rate}", flush=True)
    for quantise in (None, "int8"):
        ctranslate.of_whole(folder / "whole", folder / str(quantise), quantise)
        other = reload.converted("nllb", folder / str(quantise))
        faster, said = timed(lines, whole(Translator(other, other.model, config, speak=speak)))
        same = sum(a == b for a, b in zip(wanted, said, strict=True))
        print(
            f"CTranslate2, {quantise or 'float32':<7}  {faster}: {faster.over(rate)}; "
            f"same text in {same} of {len(lines)}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("what", choices=("lm", "seq2seq"))
    parser.add_argument("run", nargs="?")
    parser.add_argument("--lines", type=int, default=_ALL)
    parser.add_argument("--plain", type=int, help="lines of the loop; default: all")
    parser.add_argument("--eight", type=int, help="lines of the batches of 8; default: all")
    parser.add_argument("--output-dir", type=Path, default=Path())
    given = parser.parse_args()
    device.use("cpu")
    if given.what == "seq2seq":
        seq2seq(given)
    elif given.run is None:
        sys.exit("lm: name a run")
    else:
        lm(given)


if __name__ == "__main__":
    main()
