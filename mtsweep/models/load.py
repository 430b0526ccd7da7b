"""Base weights and tokenizer into memory; the only place that calls ``from_pretrained``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtsweep import device
from mtsweep.config import LoraConfig, ModelConfig, PromptConfig
from mtsweep.data.shots import Shots
from mtsweep.errors import RunFailedError
from mtsweep.models import smollm2, tiny
from mtsweep.models.chat import ChatCodec
from mtsweep.models.codec import Codec
from mtsweep.models.families import Family
from mtsweep.models.locate import Located

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass
class Base:
    """An untouched model in memory; runs of a group borrow it and give it back as it was."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    family: Family
    codecs: dict[tuple[Any, ...], Codec] = field(default_factory=dict)
    digest: str | None = None
    """Of the weights, once somebody wanted to know."""
    _chat: ChatCodec | None = None

    def unchanged(self) -> bool:
        """Whether every weight is, bit by bit, what it was when this was asked for the first time.

        Whoever borrows the model asks before and after.
        """
        now = device.digest(self.model)
        self.digest = self.digest or now
        return now == self.digest

    def codec(
        self, languages: tuple[str, str], prompt: PromptConfig, shots: Shots | None = None
    ) -> Codec:
        """The codec of a language pair and prompt; one of each, so no text is encoded twice."""
        key = (prompt, shots and shots.digest)
        if key not in self.codecs:
            self.codecs[key] = Codec(self.tokenizer, self.family, languages, prompt, shots)
        return self.codecs[key].between(languages)

    def chat_codec(self) -> ChatCodec:
        """The codec of conversations.

        Raises:
            UserError: if the model has no chat template.
        """
        self._chat = self._chat or ChatCodec(self.tokenizer)
        return self._chat


def load(
    config: ModelConfig,
    lora: LoraConfig,
    located: Located,
    family: Family,
    say: Callable[[str], None],
) -> Base:
    """Load a base model onto the device, in 4 bits where the tuning asks for it.

    Raises:
        RunFailedError: if weights or tokenizer cannot be loaded, with the reason.
    """
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    where = _where(config, located, say)
    # Weights that are trained whole need float32: an update of bfloat16 is mostly rounded away.
    whole = lora.method == "none" and config.dtype == "auto"
    options: dict[str, Any] = {
        "dtype": device.dtype("float32" if whole else config.dtype),
        "use_safetensors": True,
        "trust_remote_code": False,
        "attn_implementation": config.attn_implementation,
    }
    if lora.load_in_4bit:
        options |= {"quantization_config": _four_bits(lora), "device_map": {"": device.device()}}
    auto = AutoModelForCausalLM if config.kind == "causal" else AutoModelForSeq2SeqLM
    try:
        tokenizer = AutoTokenizer.from_pretrained(**where, trust_remote_code=False)
        model = _weights(auto, where, options, on_default_branch=config.revision is None)
    except (OSError, ValueError, ImportError) as error:
        raise RunFailedError(f"cannot load {config.name}: {_first_line(error)}") from error
    if lora.load_in_4bit:
        _keep_differentiable(model)
    else:
        torch_module: Any = model  # typed for hub kernels, not for plain modules
        model = torch_module.to(device.device())
    if tokenizer.pad_token_id is None:
        # Never looked at: masked out of attention and loss, so the end token may serve.
        tokenizer.pad_token = tokenizer.eos_token
    model.eval()
    return Base(model, tokenizer, family)


def take_whole(base: Base, trained: Path) -> None:
    """Put weights that were all trained (a run's ``model/``) into the place of the untouched."""
    stored = type(base.model).from_pretrained(
        trained,
        dtype=base.model.dtype,
        attn_implementation=base.model.config._attn_implementation,
        use_safetensors=True,
        local_files_only=True,
    )
    moved: Any = stored  # typed for hub kernels, not for plain modules
    base.model = moved.to(device.device()).eval()
    base.digest = None


def _weights(
    auto: Any,  # noqa: ANN401 - one of the Auto classes
    where: dict[str, str | None],
    options: dict[str, Any],
    *,
    on_default_branch: bool,
) -> PreTrainedModel:
    try:
        return auto.from_pretrained(**where, **options)
    except OSError as error:
        if "safetensors" not in str(error):
            raise
        if on_default_branch and where.get("revision"):
            # Some repositories hold pickles only; for the default branch (and it alone) the hub
            # offers a conversion, which transformers asks for by itself.
            return _weights(auto, {**where, "revision": "main"}, options, on_default_branch=False)
        raise OSError(
            "it has no safetensors weights, and pickled ones are not loaded (they can run code); "
            "name a converted revision with model.revision=refs/pr/N, or convert it to a folder "
            "with transformers' save_pretrained and set model.name to that"
        ) from error


def _where(
    config: ModelConfig, located: Located, say: Callable[[str], None]
) -> dict[str, str | None]:
    if config.source == "smollm2":
        return {"pretrained_model_name_or_path": str(smollm2.obtain(say))}
    if config.source == "tiny":
        return {"pretrained_model_name_or_path": str(tiny.obtain(config.name, located.revision))}
    is_commit = len(located.revision) == 40
    return {
        "pretrained_model_name_or_path": located.name,
        "revision": located.revision if is_commit else None,
    }


def _four_bits(lora: LoraConfig) -> object:
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=lora.bnb_4bit_quant_type,
        bnb_4bit_use_double_quant=lora.bnb_4bit_use_double_quant,
        bnb_4bit_compute_dtype=getattr(torch, lora.bnb_4bit_compute_dtype),
    )


def _keep_differentiable(model: PreTrainedModel) -> None:
    """Stop bitsandbytes from repacking 4-bit weights on a CPU.

    On CPUs with AVX512-BF16, version 0.50 repacks a layer's weight at its first use in evaluation
    mode, into a format whose kernel has no gradient, and never back: a model that was scored before
    it is trained would learn nothing below its last layer, without any error.
    """
    for module in model.modules():
        layer: Any = module
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))
