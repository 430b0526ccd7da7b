"""Artefacts of safetensors: the adapter as PEFT reads it, and the whole model as transformers does.

What a run scored is what goes out. A share of the tuning (``evaluation.interpolate``) becomes part
of the adapter's scale, or of the weights. Tokenizer and search settings go along, so that a stock
``generate`` decodes as the run was scored.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from mtsweep.errors import RunFailedError, UserError
from mtsweep.evaluation.generate import generation_config
from mtsweep.export.said import codec_of, limit
from mtsweep.export.source import Source
from mtsweep.models.adapters import adapted, interpolated
from mtsweep.models.load import Base, load
from mtsweep.record import EXAMPLES, write

Say = Callable[[str], None]

_ADAPTER = "adapter_config.json"
_WEIGHTS = "adapter_model.safetensors"
_COMMIT = 40


def adapter(source: Source, folder: Path, say: Say) -> None:
    """Write the PEFT adapter of a run, with tokenizer and search settings.

    Raises:
        UserError: if the run has none.
    """
    if source.trained is None or source.whole:
        what = "trained nothing" if source.trained is None else "trained every weight"
        raise UserError(
            f"{source.id}: the run {what}, so there is no adapter; take --format merged"
        )
    base = load(source.config.model, source.config.lora, source.located, source.family, say)
    shutil.copyfile(source.trained / _WEIGHTS, folder / _WEIGHTS)
    told = json.loads((source.trained / _ADAPTER).read_text(encoding="utf-8"))
    commit = source.located.revision
    told["base_model_name_or_path"] = source.base_name
    told["revision"] = commit if source.on_hub and len(commit) == _COMMIT else None
    told["lora_alpha"] *= source.config.evaluation.interpolate
    write(folder / _ADAPTER, json.dumps(told, indent=2, sort_keys=True) + "\n")
    accompany(source, base, folder)
    if not source.on_hub:
        say(
            f"{source.base_name} has no name on the hub: whoever loads the adapter needs the "
            "model itself (--merge makes a folder that is complete)"
        )
    if source.config.lora.load_in_4bit:
        say(
            "the adapter was trained on a base in 4 bits; it is checked, and should be used, on one"
        )


def merged(source: Source, folder: Path, say: Say) -> None:
    """Write the whole model of a run as safetensors, its update added to the base weights.

    The sum is taken in float32, whatever the precision of the run, and stored in that.
    """
    with whole(source, say) as base:
        model: Any = base.model  # typed for hub kernels, not for plain modules
        model.to(_stored(source, base)).save_pretrained(folder)
        accompany(source, base, folder)


@contextmanager
def whole(source: Source, say: Say) -> Iterator[Base]:
    """The model of a run as one, loaded; its weights are nobody else's.

    Raises:
        RunFailedError: if a base in 4 bits cannot be made whole again.
    """
    config, lora = source.config, source.config.lora
    model = config.model if source.whole else config.model.model_copy(update={"dtype": "float32"})
    anew = partial(load, model, lora, source.located, source.family, lambda _: None)
    base = anew()
    if source.trained is None:
        yield base
        return
    if lora.load_in_4bit:
        base.model = _dequantised(base.model)
        say("the base is in 4 bits (QLoRA): merged into the de-quantised base, not into the "
            "original weights")  # fmt: skip
    with (
        adapted(base, lora, config.seed, source.trained) as tuned,
        interpolated(tuned, config.evaluation.interpolate, anew),
    ):
        if not source.whole:
            base.model = tuned.merge_and_unload(safe_merge=True)
        yield base


def _dequantised(model: Any) -> Any:  # noqa: ANN401 - in 4 bits, as bitsandbytes has it
    import torch

    try:
        return model.dequantize().to(torch.float32)
    except (ValueError, RuntimeError, NotImplementedError) as error:
        raise RunFailedError(f"the base in 4 bits cannot be made whole again: {error}") from error


def _stored(source: Source, base: Base) -> Any:  # noqa: ANN401 - a torch.dtype
    return base.model.dtype if source.whole else precision(source)


def precision(source: Source) -> Any:  # noqa: ANN401 - a torch.dtype
    """Of the run's weights: as its record has it, or as it would be loaded here."""
    import torch

    from mtsweep import device

    told = source.record.environment.get("precision")
    return getattr(torch, str(told), None) or device.dtype(source.config.model.dtype)


def accompany(source: Source, base: Base, folder: Path) -> None:
    """Put tokenizer, search settings and examples of the prompt beside weights."""
    base.tokenizer.save_pretrained(folder)
    pairs = source.pairs
    codec = codec_of(source, base.tokenizer, pairs[0])
    rows = [row for row in source.rows if source.languages(row) == pairs[0]]
    search = generation_config(base.model, codec, source.decoding, limit(source, rows, codec))
    if len(pairs) > 1:
        search.forced_bos_token_id = None  # it is another for each target language
    search._from_model_config = False  # it is what was scored, not the model's own
    search.save_pretrained(folder)
    if source.shots is not None:
        write(folder / EXAMPLES, source.shots.as_json())
