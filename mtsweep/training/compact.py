"""Work of libraries that would be thrown away: same losses, less time and memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def compact_head() -> Iterator[None]:
    """Within it, TRL's fused head scores the positions with a label alone, whatever the device.

    TRL 1.16 projects every position to the vocabulary unless Triton runs the head; with prompts
    masked out, more than half of that work is thrown away.
    """
    import trl.trainer.utils

    trl_utils: Any = trl.trainer.utils
    decide = getattr(trl_utils, "_use_triton", None)
    if decide is None:  # another TRL: slower, equally right
        yield
        return
    trl_utils._use_triton = lambda device: device.type == "cpu" or decide(device)
    try:
        yield
    finally:
        trl_utils._use_triton = decide


@contextmanager
def no_casts_behind_autocast() -> Iterator[None]:
    """Within it, PEFT's layers leave it to autocast what precision their inputs have.

    PEFT widens the input of each update to the float32 of its weights, and autocast narrows it
    again for the product: two copies for nothing, of which one is kept for the backward pass.
    """
    import torch
    from peft.tuners.tuners_utils import BaseTunerLayer

    layer: Any = BaseTunerLayer
    cast = layer._cast_input_dtype

    def where_needed(self: Any, x: Any, dtype: torch.dtype) -> Any:  # noqa: ANN401
        if x is not None and torch.is_autocast_enabled(x.device.type):
            return x
        return cast(self, x, dtype)

    layer._cast_input_dtype = where_needed
    try:
        yield
    finally:
        layer._cast_input_dtype = cast
