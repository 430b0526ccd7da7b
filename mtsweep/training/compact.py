"""Compute the language-model head only where there is a loss, on a CPU too.

TRL 1.16 projects every position to the vocabulary unless Triton runs the head; with prompts masked
out, more than half of that work is thrown away. Same loss, less time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def compact_head() -> Iterator[None]:
    """Within it, TRL's fused head scores the positions with a label alone, whatever the device."""
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
