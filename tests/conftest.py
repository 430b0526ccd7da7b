"""Fixtures that cost something, made once; and an environment in which nothing reaches out."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Libraries read these when they are imported, so they are set before any test module is.
_HUB = Path(tempfile.mkdtemp(prefix="mtsweep-hub-"))
os.environ.update(
    HF_HUB_CACHE=str(_HUB),
    HF_HUB_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    WANDB_MODE="offline",
    MTSWEEP_PREPARED="off",
    TOKENIZERS_PARALLELISM="false",
)
# A shell's background jobs ignore Ctrl-C, and so would every command that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
if "PYTEST_XDIST_WORKER" in os.environ:  # workers would fight over the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")
for key in ("WANDB_API_KEY", "HF_TOKEN", "HYDRA_FULL_ERROR", "CI"):
    os.environ.pop(key, None)


def pytest_configure(config: pytest.Config) -> None:
    """A GPU is for the tests that are about it (``pytest -m gpu``); the others have the CPU."""
    if "gpu" not in config.option.markexpr.replace("not gpu", ""):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


LONGEST = (
    "sweep/test_schedulers.py",
    "sweep/test_survival.py",
    "test_cli.py",
    "synthesis/test_synthesize.py",
    "test_tracking.py",
    "sweep/test_search_runs.py",
    "report/test_browser.py",
    "synthesis/test_secrets.py",
    "export/test_artefacts.py",
)
"""The modules that take longest come first, so that no core waits for one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest modules first, then those with slow tests."""
    here = Path(__file__).parent
    places = {here / name: place for place, name in enumerate(LONGEST)}
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: places.get(item.path, len(places) + (item.path not in slow)))


@pytest.fixture(scope="session", autouse=True)
def _workers_start_at_once() -> Iterator[None]:
    """Commands and their workers are forked, libraries and all; what CUDA holds would not be."""
    from tests import nursery

    with pytest.MonkeyPatch.context() as patch:
        if sys.platform == "linux" and os.environ.get("CUDA_VISIBLE_DEVICES") == "":
            patch.setattr("subprocess.Popen", nursery.Popen)
        yield


@pytest.fixture(scope="session")
def hub() -> dict[str, Path]:
    """A hub cache with small models of the true architecture under their true names."""
    from mtsweep.data.phrases import phrases
    from tests.standins import lay_out

    texts = [
        text
        for rows in phrases().values()
        for row in rows
        for code, text in row.items()
        if code != "id"
    ]
    return lay_out(_HUB, texts=texts)


@pytest.fixture(scope="session")
def hub_datasets() -> None:
    """Small data sets in the true columns, in the same hub cache under their true names."""
    from tests.standins.datasets import lay_out_datasets

    lay_out_datasets(_HUB)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
