"""How to use what ships, in a few lines of stock transformers and PEFT, as the run was scored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mtsweep.card.subject import Format, Subject
from mtsweep.config import PromptConfig
from mtsweep.data.pairs import Pair
from mtsweep.data.prompts import render
from mtsweep.evaluation.probes import QUESTIONS
from mtsweep.hub import NoSuchFileError, fetched
from mtsweep.models.chat import DATE
from mtsweep.models.families import language_code

_TEXT = "\ue000"
"""Stands for the text in a rendered prompt: private use, so no template has it."""
_MANY_TO_MANY = {"nllb", "m2m100", "mbart50"}
_GREETING = "Good morning!"


def code(subject: Subject, name: str, shipped: Format, *, with_texts: bool = True) -> str:
    """Python that loads what ships by its name and asks it once.

    Args:
        subject: The run.
        name: ``owner/name`` on the hub.
        shipped: What stands there.
        with_texts: Whether training pairs that the prompt shows may be published.
    """
    kind = "CausalLM" if subject.family == "causal" else "Seq2SeqLM"
    auto = f"AutoPeftModelFor{kind}" if shipped == "peft" else f"AutoModelFor{kind}"
    four_bits = shipped == "peft" and subject.config.lora.load_in_4bit
    names = ["AutoTokenizer", "GenerationConfig", *(["BitsAndBytesConfig"] * four_bits)]
    imports = (
        [f"from peft import {auto}", f"from transformers import {', '.join(sorted(names))}"]
        if shipped == "peft"
        else [f"from transformers import {', '.join(sorted([auto, *names]))}"]
    )
    source, target = subject.pairs[0]
    text = QUESTIONS.get(source, (_GREETING,))[0]
    return "\n".join(
        [
            *imports,
            "",
            f"name, text = {_quoted(name)}, {_quoted(text)}",
            *_lines(subject, auto, (source, target), four_bits, with_texts),
        ]
    )


def _lines(
    subject: Subject, auto: str, languages: tuple[str, str], four_bits: bool, with_texts: bool
) -> list[str]:
    family = subject.family
    source, target = (language_code(family, each) for each in languages)
    spoken = (
        f", src_lang={_quoted(source)}, tgt_lang={_quoted(target)}"
        if family in _MANY_TO_MANY
        else ""
    )
    first = f"__{target}__" if family == "m2m100" else str(target)
    forced = (
        f", forced_bos_token_id=tokenizer.convert_tokens_to_ids({_quoted(first)})"
        if family in _MANY_TO_MANY
        else ""
    )
    precision = subject.record.environment.get("precision") or "float32"
    bits = f", quantization_config={_four_bits(subject)}" if four_bits else ""
    behind = '[0, inputs["input_ids"].shape[1]:]' if family == "causal" else "[0]"
    said = f"tokenizer.decode(output{behind}, skip_special_tokens=True)"
    one_line = family == "causal" and not subject.is_chat and subject.config.prompt.one_line
    cut = f'{said}.partition("\\n")[0]' if one_line else said
    return [
        f"tokenizer = AutoTokenizer.from_pretrained(name{spoken})",
        f"model = {auto}.from_pretrained(name, dtype={_quoted(precision)}{bits})",
        *_asked(subject, languages, with_texts),
        "output = model.generate(**inputs.to(model.device), "
        f"generation_config=GenerationConfig.from_pretrained(name{forced}))",
        f"print({cut}.strip())",
    ]


def _asked(subject: Subject, languages: tuple[str, str], with_texts: bool) -> list[str]:
    """The lines that make the model's input of the text."""
    if subject.is_chat:
        return [_templated('[{"role": "user", "content": text}]', dated=_is_dated(subject))]
    if subject.family != "causal":
        prefix = before_source(subject, languages)
        said = f"{_quoted(prefix)} + text" if prefix else "text"
        return [f'inputs = tokenizer({said}, return_tensors="pt")']
    prompt = subject.config.prompt
    shown = examples(subject, languages) if with_texts else ()
    if prompt.chat:
        turns = [
            turn
            for pair in shown
            for turn in (
                {"role": "user", "content": render(prompt, *languages, pair.source)},
                {"role": "assistant", "content": pair.target},
            )
        ]
        listed = "".join(
            f'{{"role": {_quoted(turn["role"])}, "content": {_quoted(turn["content"])}}}, '
            for turn in turns
        )
        asked = _prompt(prompt, languages)
        last = f'{{"role": "user", "content": {asked}}}'
        return [_templated(f"[{listed}{last}]", dated=_is_dated(subject))]
    before = "".join(f"{render(prompt, *languages, p.source)} {p.target}\n\n" for p in shown)
    first = f"{_quoted(before)} + " if before else ""
    return [f'inputs = tokenizer({first}{_prompt(prompt, languages)}, return_tensors="pt")']


def _templated(turns: str, *, dated: bool) -> str:
    date = f", date_string={_quoted(DATE)}" if dated else ""
    return (
        f"inputs = tokenizer.apply_chat_template({turns}, add_generation_prompt=True, "
        f'return_dict=True, return_tensors="pt"{date})'
    )


def _is_dated(subject: Subject) -> bool:
    """Whether the model's chat template may tell the date."""
    return subject.config.model.source == "hub"


def _prompt(prompt: PromptConfig, languages: tuple[str, str]) -> str:
    """A Python expression for the request about ``text``."""
    parts = render(prompt, *languages, _TEXT).split(_TEXT)
    told = [_quoted(part) if part else "" for part in parts]
    return " + text + ".join(told).strip(" +") if any(told) else "text"


def examples(subject: Subject, languages: tuple[str, str]) -> tuple[Pair, ...]:
    """What the prompt shows before every text; what depends on the text is told elsewhere."""
    shots = subject.shots
    return shots.of(_TEXT, languages) if shots and shots.choice == "fixed" else ()


def before_source(subject: Subject, languages: tuple[str, str]) -> str:
    """What an encoder-decoder is given before the text: how it is told the language."""
    source, target = (language_code(subject.family, each) for each in languages)
    if subject.family == "t5":
        return f"translate {source} to {target}: "
    if subject.family == "marian" and f">>{target}<<" in _vocabulary(subject):
        return f">>{target}<< "
    return ""


def _vocabulary(subject: Subject) -> dict[str, Any]:
    """Tokens of a Marian model, from its ``vocab.json``."""
    name = subject.config.model.name
    folder = Path(name).expanduser()
    try:
        path = (
            folder / "vocab.json"
            if folder.is_dir()
            else fetched(name, "vocab.json", subject.config.model.revision, "model")
        )
        told = json.loads(path.read_text(encoding="utf-8"))
    except (NoSuchFileError, OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _four_bits(subject: Subject) -> str:
    lora = subject.config.lora
    return (
        f"BitsAndBytesConfig(load_in_4bit=True, "
        f"bnb_4bit_quant_type={_quoted(lora.bnb_4bit_quant_type)}, "
        f"bnb_4bit_use_double_quant={lora.bnb_4bit_use_double_quant}, "
        f"bnb_4bit_compute_dtype={_quoted(lora.bnb_4bit_compute_dtype)})"
    )


def _quoted(text: str | None) -> str:
    """A text as Python reads it, in double quotes; nothing in it ends a block of Markdown."""
    return json.dumps(text, ensure_ascii=False).replace("`", "\\u0060")
