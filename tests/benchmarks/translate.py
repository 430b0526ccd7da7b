"""Lines a second of translating with a run, beside what one would write oneself; same text told.

``translate.py lm RUN [--lines 2000] [--plain N] [--eight N] [--output-dir D]``: a decoder-only run
(a tuned SmolLM2) by the translator, by a loop of ``generate`` a line, and by batches of 8 in file
order. The weights are merged for all three and every line has the same limit of tokens; the two
others may be given an even sample of the lines.

``translate.py seq2seq [--lines 2000]``: CTranslate2 beside transformers, both by the translator, on
an M2M100 with the tokenizer of ``tiny_seq2seq``, 6 + 6 layers of 512 and random weights (44 M): the
tiny one has two layers of 64, too small to show anything. It stops where the limit is.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
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


def timed(
    lines: Sequence[str], how: Callable[[Sequence[str]], list[str]]
) -> tuple[float, list[str]]:
    """Lines a second, and what they came to; a few lines are translated before the clock starts."""
    how(lines[:2])
    began = time.perf_counter()
    said = how(lines)
    return len(lines) / (time.perf_counter() - began), said


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
    lines = lines_of(given.lines)
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
            print(f"{name:<18} {rates[name]:6.2f} lines/s over {len(some):,}", flush=True)
    for name, _, _ in arms[:2]:
        same = sum(said["mtsweep"][line] == text for line, text in said[name].items())
        print(
            f"mtsweep is {rates['mtsweep'] / rates[name]:.2f} times as fast as {name}; "
            f"same text in {same} of {len(said[name])}"
        )


def stand_in(folder: Path) -> Base:
    """A model of the architecture of NLLB that is large enough to be worth computing."""
    from transformers import AutoTokenizer, M2M100Config, M2M100ForConditionalGeneration

    small = locate(_seq2seq().model)
    tokenizer: Any = AutoTokenizer.from_pretrained(tiny.obtain("tiny_seq2seq", small.revision))
    torch.manual_seed(7)
    ids = {
        name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")
    }
    made: Any = M2M100ForConditionalGeneration(
        M2M100Config(
            vocab_size=len(tokenizer), decoder_start_token_id=tokenizer.eos_token_id, **WIDE, **ids
        )
    )
    for parameter in made.parameters():
        if parameter.dim() > 1:
            parameter.data *= 2  # else the likeliest token is a matter of rounding
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Base(made.eval(), tokenizer, "nllb")


def _seq2seq() -> RunConfig:
    return configured({"model": "tiny_seq2seq", "decoding.max_new_tokens": 24})


def seq2seq(given: argparse.Namespace) -> None:
    config, lines = _seq2seq(), lines_of(given.lines)
    with tempfile.TemporaryDirectory() as place, quiet():
        folder = Path(place)
        base = stand_in(folder / "whole")
        print(f"{base.model.num_parameters() / 1e6:.0f} M parameters, {_told(lines)}")
        rate, wanted = timed(lines, whole(Translator(base, base.model, config)))
        print(f"transformers          {rate:6.1f} lines/s", flush=True)
        for quantise in (None, "int8"):
            ctranslate.of_whole(folder / "whole", folder / str(quantise), quantise)
            other = reload.converted("nllb", folder / str(quantise))
            faster, said = timed(lines, whole(Translator(other, other.model, config, speak=speak)))
            same = sum(a == b for a, b in zip(wanted, said, strict=True))
            print(
                f"CTranslate2, {quantise or 'float32':<7} {faster:6.1f} lines/s, "
                f"{faster / rate:.2f} times as fast; same text in {same} of {len(lines)}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("what", choices=("lm", "seq2seq"))
    parser.add_argument("run", nargs="?")
    parser.add_argument("--lines", type=int, default=2000)
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
