"""What was exported, loaded from its folder as anybody would: by stock transformers and PEFT."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from mtsweep import device
from mtsweep.export.source import Source
from mtsweep.models.families import Family
from mtsweep.models.load import Base, load
from mtsweep.serve.ctranslate import Engine


def tokenizer(folder: Path) -> Any:  # noqa: ANN401 - a tokenizer of transformers
    """The tokenizer of a folder."""
    from transformers import AutoTokenizer

    found: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if found.pad_token_id is None:
        found.pad_token = found.eos_token  # masked out
    return found


def adapter(source: Source, folder: Path) -> Base:
    """The adapter of a folder on its base model, which is loaded as the run loaded it."""
    from peft import PeftModel

    base = load(
        source.config.model, source.config.lora, source.located, source.family, lambda _: None
    )
    tuned: Any = PeftModel.from_pretrained(base.model, folder)
    return Base(tuned.eval(), tokenizer(folder), base.family)


def whole(source: Source, folder: Path, gguf: str | None = None) -> Base:
    """The whole model of a folder, in the precision that it is stored in.

    Args:
        source: The run that it is made of.
        folder: With weights and tokenizer.
        gguf: File of the folder to take the weights of.
    """
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, GenerationConfig

    config = source.config.model
    auto = AutoModelForCausalLM if config.kind == "causal" else AutoModelForSeq2SeqLM
    options: dict[str, Any] = {"use_safetensors": True, "dtype": "auto"}
    if gguf is not None:
        options = {"gguf_file": gguf, "dtype": device.dtype(config.dtype)}
    with contextlib.redirect_stderr(io.StringIO()):  # the bar over GGUF tensors obeys no setting
        model: Any = auto.from_pretrained(
            folder,
            attn_implementation=config.attn_implementation,
            local_files_only=True,
            **options,
        )
    if gguf is not None:
        model.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True)
    return Base(model.to(device.device()).eval(), tokenizer(folder), source.family)


def converted(family: Family, folder: Path, context: int | None = None) -> Base:
    """The CTranslate2 model of a folder.

    Args:
        family: How the model is told the languages.
        folder: With ``model.bin`` and tokenizer.
        context: Tokens that it takes at most.
    """
    engine: Any = Engine(folder, family, context)  # stands where a model of transformers does
    return Base(engine, tokenizer(folder), family)
