"""Memory and seconds of the studies' models at their true sizes, beside what was estimated.

``gpu.py [--models llama,qwen,...] [--ways lora,qlora] [--steps 20] [--small]``: models with the
architecture and the size of those on the hub and random weights, laid out in a hub cache under
their names, tuned on the phrasebook by the command itself. Random models never stop, so what is
generated goes to the limit: the slowest case. ``--small`` takes the small stand-ins, to try this
script on a CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from mtsweep.data.phrases import phrases
from tests.standins import lay_out

_SIX = {
    "d_model": 512, "encoder_ffn_dim": 2048, "decoder_ffn_dim": 2048, "encoder_layers": 6,
    "decoder_layers": 6, "encoder_attention_heads": 8, "decoder_attention_heads": 8,
}  # fmt: skip
SIZES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "llama": ("meta-llama/Llama-3.2-1B", {
        "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "head_dim": 64,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256}),
    "qwen": ("Qwen/Qwen2-1.5B", {
        "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28,
        "num_attention_heads": 12, "num_key_value_heads": 2, "vocab_size": 151936,
        "max_window_layers": 28, "layer_types": ["full_attention"] * 28}),
    "llama3b": ("unsloth/Llama-3.2-3B-Instruct", {
        "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 28, "head_dim": 128,
        "num_attention_heads": 24, "num_key_value_heads": 8, "vocab_size": 128256}),
    "nllb": ("facebook/nllb-200-distilled-600M", {
        **_SIX, "d_model": 1024, "encoder_ffn_dim": 4096, "decoder_ffn_dim": 4096,
        "encoder_layers": 12, "decoder_layers": 12, "encoder_attention_heads": 16,
        "decoder_attention_heads": 16, "vocab_size": 256206}),
    "marian": ("Helsinki-NLP/opus-mt-en-de", {**_SIX, "vocab_size": 58101}),
}  # fmt: skip
"""Option of the group ``model``: its name on the hub, and the sizes in its ``config.json``."""


def grown(folder: Path, sizes: Mapping[str, Any]) -> None:
    """Give a stand-in its true size, with random weights in bfloat16."""
    file = folder / "config.json"
    told = json.loads(file.read_text(encoding="utf-8"))
    sizes = {**sizes, "num_layers": sizes["encoder_layers"]} if "num_layers" in told else sizes
    told |= {**sizes, "dtype": "bfloat16"}
    config = AutoConfig.for_model(**told)
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = auto.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    file.write_text(json.dumps(told), encoding="utf-8")


def run(model: str, ways: str, steps: int, hub: Path, folder: Path) -> None:
    """The command on one model, in a folder of its own."""
    command = [
        sys.executable, "-m", "mtsweep", "-m", f"model={model}", f"lora={ways}", "tracking=none",
        "data.target_lang=deu_Latn", f"trainer.max_steps={steps}", "data.test_size=64",
        "data.dev_size=16", "trainer.per_device_train_batch_size=16", "decoding.max_new_tokens=32",
        "trainer.eval_steps=1000", f"output_dir={folder / model}",
    ]  # fmt: skip
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=folder, text=True, capture_output=True, check=False,
        env={**os.environ, "HF_HUB_CACHE": str(hub), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    if done.returncode:
        print(done.stdout[-3000:], done.stderr[-3000:])
    print(f"{model}: {time.monotonic() - began:.1f} s in all, exit {done.returncode}", flush=True)


def rows(folder: Path) -> None:
    """What records tell."""
    for path in sorted(folder.glob("runs/*/record.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        cost, guess = record["cost"], record["estimate"]
        lora = record["config"]["lora"]
        way = "base" if record["kind"] == "base" else lora["method"]
        way += ", 4 bits" if lora["load_in_4bit"] else ""
        peak = cost["peak_memory_bytes"]
        told = f"{peak / 2**30:6.2f} GiB"
        if guess.get("memory"):
            told += f" ({guess['memory'] / 2**30:.2f} estimated, x {peak / guess['memory']:.2f})"
            told += f"; {cost['seconds_train'] + cost['seconds_evaluate']:.1f} s "
            told += f"({guess['seconds']:.1f} estimated)"
        lines = path.parent / "predictions" / "test.jsonl"
        tokens = sum(json.loads(line)["tokens"] for line in lines.read_text("utf-8").splitlines())
        step = cost["seconds_per_step"]
        pace = f", {1000 * step:.0f} ms/step" if step else ""
        rate = tokens / cost["seconds_evaluate"]
        print(f"  {way:<14} {told}{pace}, scoring {cost['seconds_evaluate']:.1f} s, "
              f"{rate:,.0f} generated tokens/s", flush=True)  # fmt: skip


def main() -> None:
    """Build, run, tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", default="llama,qwen,nllb,marian")
    parser.add_argument("--ways", default="lora,qlora")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    texts = [row[code] for book in phrases().values() for row in book for code in row
             if code != "id"]  # fmt: skip
    with tempfile.TemporaryDirectory() as place:
        hub, folder = Path(place) / "hub", Path(place) / "out"
        folder.mkdir()
        for model in given.models.split(","):
            name, sizes = SIZES[model]
            snapshot = lay_out(hub, [name], texts=texts)[name]
            if not given.small:
                grown(snapshot, sizes)
            run(model, given.ways, given.steps, hub, folder)
            rows(folder / model)


if __name__ == "__main__":
    main()
