"""Small untrained models with the true architecture, for tests and ``trainer=smoke``.

Their tokenizers are trained on the phrasebook, their weights are random with a fixed seed. Both are
made once, in a second or two, and kept in the cache.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from mtsweep.cache import cache_dir
from mtsweep.data.phrases import phrases
from mtsweep.models.locate import TINY

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_SEED = 7
_TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message['role'] }}\\n"
    "{{ message['content'] }}<|end|>\\n"
    "{% endfor %}{% if add_generation_prompt %}<|start|>assistant\\n{% endif %}"
)


def obtain(name: str, revision: str) -> Path:
    """Folder of ``tiny_causal`` or ``tiny_seq2seq``, loadable by path through the Auto classes."""
    folder = cache_dir() / "models" / f"{name}-{revision}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".draft-"))
            try:
                _BUILDERS[name](draft)
                os.replace(draft, folder)  # noqa: PTH105 - Path.replace refuses nothing more
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    return folder


def _texts() -> Iterable[str]:
    for rows in phrases().values():
        for row in rows:
            yield from (text for code, text in row.items() if code != "id")


def _codes() -> list[str]:
    return [code for code in next(iter(phrases().values()))[0] if code != "id"]


def _causal(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2048,
        special_tokens=["<|pad|>", "<|start|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(_texts(), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<|start|>",
        eos_token="<|end|>",
        pad_token="<|pad|>",
        chat_template=_TEMPLATE,
    )
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        **TINY["llama"],
        **_special(tokenizer),
    )
    _save(folder, lambda: LlamaForCausalLM(config), tokenizer)


def _seq2seq(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=2048, special_tokens=specials, show_progress=False)
    backend.train_from_iterator(_texts(), trainer)
    model = json.loads(backend.to_str())["model"]
    tokenizer = NllbTokenizer(
        vocab=model["vocab"],
        merges=[tuple(merge) for merge in model["merges"]],  # type: ignore[arg-type] - says str
        additional_special_tokens=_codes(),
        src_lang="eng_Latn",
        tgt_lang="spa_Latn",
    )
    config = M2M100Config(
        vocab_size=len(tokenizer),
        **TINY["m2m_100"],
        **_special(tokenizer),
        decoder_start_token_id=_special(tokenizer)["eos_token_id"],
    )
    _save(folder, lambda: M2M100ForConditionalGeneration(config), tokenizer)


def _special(tokenizer: Any) -> dict[str, Any]:  # noqa: ANN401 - typed as one id or several
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return {name: getattr(tokenizer, name) for name in names}


def _save(
    folder: Path, make: Callable[[], PreTrainedModel], tokenizer: PreTrainedTokenizerBase
) -> None:
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(_SEED)
        make().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


_BUILDERS: dict[str, Callable[[Path], None]] = {"tiny_causal": _causal, "tiny_seq2seq": _seq2seq}
