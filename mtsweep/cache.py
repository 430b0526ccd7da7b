"""Where mtsweep keeps what it can make again: converted models, tokenizers, prepared data."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """``$MTSWEEP_CACHE``, else ``$XDG_CACHE_HOME/mtsweep``, else ``~/.cache/mtsweep``."""
    if chosen := os.environ.get("MTSWEEP_CACHE"):
        return Path(chosen).expanduser().absolute()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "mtsweep"
