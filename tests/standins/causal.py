"""Stand-ins of decoder-only models: Llama 3.2 and Qwen2."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX as QWEN2_SPLIT

from .files import FROM_CONFIG, Json, write_json

BASE_PIECES = 900
"""Byte-level pieces before the special tokens: 256 bytes and what the texts merge."""

LLAMA_SPLIT = QWEN2_SPLIT.replace(r"\p{N}|", r"\p{N}{1,3}|")
"""Llama 3 cuts as Qwen2 does, only it takes up to three digits at a time."""

LLAMA_SPECIALS = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    "<|finetune_right_pad_id|>",
    "<|reserved_special_token_2|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
)
QWEN2_SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")

LLAMA_TEMPLATE = """\
{{- bos_token }}
{%- if date_string is not defined %}
    {%- set date_string = strftime_now("%d %b %Y") if strftime_now is defined else "26 Jul 2024" %}
{%- endif %}
{%- set own = messages[0].role == "system" %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\nToday: " + date_string + "\\n\\n" }}
{{- messages[0].content | trim if own else "" }}
{{- "<|eot_id|>" }}
{%- for message in messages[1 if own else 0:] %}
    {{- "<|start_header_id|>" + message.role + "<|end_header_id|>\\n\\n" }}
    {{- message.content | trim + "<|eot_id|>" }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- "<|start_header_id|>assistant<|end_header_id|>\\n\\n" }}
{%- endif %}
"""
"""Headers, a system turn with today's date even where nobody asked for one, trimmed contents."""

QWEN2_TEMPLATE = """\
{%- if messages[0].role != "system" %}
    {{- "<|im_start|>system\\nYou help people.<|im_end|>\\n" }}
{%- endif %}
{%- for message in messages %}
    {{- "<|im_start|>" + message.role + "\\n" + message.content + "<|im_end|>\\n" }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- "<|im_start|>assistant\\n" }}
{%- endif %}
"""
"""ChatML with a system turn of the model's own where the conversation opens without one."""


def llama_base(folder: Path, texts: Sequence[str]) -> None:
    """Llama 3.2 1B: begins every text with its BOS, has no pad token and no chat template."""
    tokenizer = _llama_tokenizer(texts)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"eos_token": "<|end_of_text|>"}
    write_json(folder / "tokenizer_config.json", _llama_settings(tokenizer) | settings)
    ids = {
        "bos_token_id": tokenizer.token_to_id("<|begin_of_text|>"),
        "eos_token_id": tokenizer.token_to_id("<|end_of_text|>"),
    }
    write_json(folder / "config.json", _llama_config(tokenizer) | ids)
    write_json(folder / "generation_config.json", FROM_CONFIG | _llama_generation() | ids)


def llama_instruct(folder: Path, texts: Sequence[str]) -> None:
    """Llama 3.2 3B Instruct, as unsloth keeps it: a pad token and three ids that end a text."""
    tokenizer = _llama_tokenizer(texts)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "eos_token": "<|eot_id|>",
        "pad_token": "<|finetune_right_pad_id|>",
        "padding_side": "left",
        "chat_template": LLAMA_TEMPLATE,
    }
    write_json(folder / "tokenizer_config.json", _llama_settings(tokenizer) | settings)
    ids = {
        "bos_token_id": tokenizer.token_to_id("<|begin_of_text|>"),
        "pad_token_id": tokenizer.token_to_id("<|finetune_right_pad_id|>"),
    }
    ends = [tokenizer.token_to_id(end) for end in ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>")]
    write_json(folder / "config.json", _llama_config(tokenizer) | ids | {"eos_token_id": ends[-1]})
    lengths = {"eos_token_id": ends, "max_length": 131072}
    write_json(folder / "generation_config.json", _llama_generation() | ids | lengths)


def qwen2(folder: Path, texts: Sequence[str]) -> None:
    """Qwen2 1.5B: no BOS, one token for EOS and padding, more embedding rows than tokens."""
    tokenizer = _byte_level(texts, QWEN2_SPLIT, QWEN2_SPECIALS)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.save(str(folder / "tokenizer.json"))
    tokenizer.model.save(str(folder))
    settings = {
        "tokenizer_class": "Qwen2Tokenizer",
        "add_prefix_space": False,
        "added_tokens_decoder": _added(tokenizer),
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
        "bos_token": None,
        "chat_template": QWEN2_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|endoftext|>",
        "errors": "replace",
        "model_max_length": 32768,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "unk_token": None,
    }
    write_json(folder / "tokenizer_config.json", settings)
    end = tokenizer.token_to_id("<|endoftext|>")
    ids = {"bos_token_id": end, "eos_token_id": end}
    rows = {"vocab_size": tokenizer.get_vocab_size() + 64}
    write_json(folder / "config.json", _qwen2_config() | ids | rows)
    lengths = {"do_sample": False, "max_new_tokens": 2048}
    write_json(folder / "generation_config.json", ids | lengths)


def _byte_level(texts: Sequence[str], split: str, specials: Sequence[str]) -> Tokenizer:
    """Train a byte-level BPE and put the special tokens behind its pieces."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=BASE_PIECES,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens(list(specials))
    return tokenizer


def _llama_tokenizer(texts: Sequence[str]) -> Tokenizer:
    """Train Llama 3's kind of tokenizer, whose post-processor writes the BOS."""
    tokenizer = _byte_level(texts, LLAMA_SPLIT, LLAMA_SPECIALS)
    bos = LLAMA_SPECIALS[0]
    template = processors.TemplateProcessing(
        single=f"{bos} $A",
        pair=f"{bos} $A {bos}:1 $B:1",
        special_tokens=[(bos, tokenizer.token_to_id(bos))],
    )
    byte_level = processors.ByteLevel(trim_offsets=False)
    tokenizer.post_processor = processors.Sequence([byte_level, template])
    return tokenizer


def _added(tokenizer: Tokenizer) -> Json:
    """Return the special tokens as ``added_tokens_decoder`` has them."""
    return {
        str(index): {
            "content": token.content,
            "lstrip": token.lstrip,
            "normalized": token.normalized,
            "rstrip": token.rstrip,
            "single_word": token.single_word,
            "special": token.special,
        }
        for index, token in sorted(tokenizer.get_added_tokens_decoder().items())
    }


def _llama_settings(tokenizer: Tokenizer) -> Json:
    """Return what both tokenizer configurations of Llama 3.2 say."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "added_tokens_decoder": _added(tokenizer),
        "bos_token": "<|begin_of_text|>",
        "clean_up_tokenization_spaces": True,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": 131072,
    }


def _llama_config(tokenizer: Tokenizer) -> Json:
    """Return a small Llama 3.2: grouped queries, tied embeddings, stretched rotations."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "head_dim": 16,
        "hidden_size": 64,
        "intermediate_size": 160,
        "max_position_embeddings": 131072,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-05,
        "rope_scaling": {
            "factor": 32.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192,
            "rope_type": "llama3",
        },
        "rope_theta": 500000.0,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "vocab_size": tokenizer.get_vocab_size(),
    }


def _llama_generation() -> Json:
    """Return Llama 3.2's generation defaults: it samples unless it is told not to."""
    return {"do_sample": True, "temperature": 0.6, "top_p": 0.9}


def _qwen2_config() -> Json:
    """Return a small Qwen2; its biases on queries, keys and values are part of the class."""
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_size": 64,
        "intermediate_size": 160,
        "max_position_embeddings": 131072,
        "max_window_layers": 2,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0,
        "sliding_window": 131072,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_sliding_window": False,
    }
