"""Put a trainable update onto a base model, and take it off again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mtsweep.config import LoraConfig, ModelConfig
from mtsweep.errors import RunFailedError
from mtsweep.models.freeze import excluded, freeze
from mtsweep.models.load import Base, take_whole


@contextmanager
def adapted(
    base: Base,
    lora: LoraConfig,
    seed: int,
    trained: Path | None,
    model_config: ModelConfig | None = None,
) -> Iterator[Any]:
    """The base model with an update on it; afterwards the base is as it was.

    Args:
        base: Borrowed; with ``method=none`` it is the model itself, and its weights change.
        lora: The update.
        seed: Of the update's initialisation.
        trained: Folder of an adapter, or of whole weights, that is already trained; ``None`` makes
            a new update.
        model_config: Says what a new update leaves alone (``freeze``).
    """
    if lora.method == "none":
        if trained is not None:
            take_whole(base, trained)
        elif model_config is not None and model_config.freeze:
            freeze(base.model, model_config)
        yield base.model
        return
    from peft import PeftModel, get_peft_model
    from transformers import set_seed

    set_seed(seed)
    trainable = {name: each.requires_grad for name, each in base.model.named_parameters()}
    attributes = dict(base.model.__dict__)
    try:
        if trained is not None:
            model = PeftModel.from_pretrained(base.model, trained)
        else:
            model = get_peft_model(base.model, _peft_config(base, lora, model_config))
    except ValueError as error:
        raise RunFailedError(f"lora: {error}") from error
    try:
        yield model
    finally:
        base.model = model.unload()
        # PEFT leaves its configuration behind, TRL its tags and a replaced forward.
        base.model.__dict__.clear()
        base.model.__dict__.update(attributes)
        for name, parameter in base.model.named_parameters():
            parameter.requires_grad_(trainable[name])
        base.model.eval()


@contextmanager
def interpolated(model: Any, share: float, untouched: Callable[[], Base]) -> Iterator[None]:  # noqa: ANN401
    """Within it, the weights are those between the untouched model and a tuned one.

    Wortsman et al. 2022 (WiSE-FT). An update is scaled; whole weights are mixed one by one, and
    stay mixed: nobody takes them up again.

    Args:
        model: Tuned: a PreTrainedModel or a PeftModel.
        share: Of the tuning; 1 changes nothing.
        untouched: Loads the untouched model, where it is needed.
    """
    if share == 1:
        yield
    elif hasattr(model, "peft_config"):
        from peft.helpers import rescale_adapter_scale

        with rescale_adapter_scale(model, share):
            yield
    else:
        _mix(model, untouched().model, share)
        yield


def _mix(model: Any, untouched: Any, share: float) -> None:  # noqa: ANN401
    import torch

    before = dict(untouched.named_parameters())
    with torch.no_grad():
        for name, tuned in model.named_parameters():
            old = before[name].to(tuned.dtype)
            tuned.copy_(torch.lerp(old, tuned, share))


@contextmanager
def merged(model: Any) -> Iterator[None]:  # noqa: ANN401 - a PreTrainedModel or a PeftModel
    """Within it, a float32 model has its update added to its weights, and generates without it.

    Half of the time of a small model's steps is the update's. In other precisions the sum would be
    rounded, and the model that is scored would not be the one that was trained. Afterwards the
    weights are the same tensors as before, not the sum with the update taken off again.
    """
    layers = mergeable(model)
    if not layers:
        yield
        return
    kept = [layer.get_base_layer().weight.data for layer in layers]
    model.merge_adapter(safe_merge=True)  # on copies: what is kept stays as it is
    try:
        yield
    finally:
        for layer, weight in zip(layers, kept, strict=True):
            layer.get_base_layer().weight.data = weight
            layer.merged_adapters.clear()


def mergeable(model: Any) -> list[Any]:  # noqa: ANN401
    """The adapted layers of a model whose update can be merged without loss; else none."""
    import torch
    from peft.tuners.lora import Linear

    if not hasattr(model, "peft_config"):
        return []
    layers = [module for module in model.modules() if hasattr(module, "merged_adapters")]
    plain = all(
        type(layer) is Linear and layer.get_base_layer().weight.dtype == torch.float32
        for layer in layers
    )
    return layers if plain else []


def _peft_config(base: Base, lora: LoraConfig, model_config: ModelConfig | None) -> Any:  # noqa: ANN401 - peft is imported late
    from peft import LoraConfig as PeftLoraConfig
    from peft import TaskType

    modules = lora.target_modules
    return PeftLoraConfig(
        task_type=TaskType.CAUSAL_LM if base.family == "causal" else TaskType.SEQ_2_SEQ_LM,
        r=lora.r,
        lora_alpha=lora.lora_alpha,  # type: ignore[arg-type] - a float works, PEFT says int
        lora_dropout=lora.lora_dropout,
        target_modules=modules if isinstance(modules, str) else list(modules),
        exclude_modules=excluded(base.model, model_config) if model_config else None,
        use_dora=lora.use_dora,
        use_rslora=lora.use_rslora,
    )
