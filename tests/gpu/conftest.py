"""Tests of what only a CUDA device can show: ``pytest -m gpu -n 0`` on a machine that has one."""

from __future__ import annotations

import pytest

from mtsweep import device


@pytest.fixture(autouse=True)
def _gpu() -> None:
    if not device.gpus():
        pytest.skip("no GPU is visible; where there is one: pytest -m gpu -n 0")
