"""A file that is larger than the memory that a process may take."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from mtsweep import device
from mtsweep.config import DataConfig

_PROGRAM = """
import resource, sys
from mtsweep import data, device
from mtsweep.config import DataConfig
from mtsweep.data import spill
few, many = (DataConfig.model_validate_json(each) for each in sys.argv[2:])
if room := int(sys.argv[1]):
    held, spill.HELD = spill.HELD, 0
    data.load(few)  # libraries and their threads are there before the limit
    spill.HELD = held
    pages = int(open("/proc/self/statm").read().split()[5])
    limit = pages * resource.getpagesize() + room
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    assert device.left() <= room
corpus = data.load(many)
print(type(corpus.train).__name__, len(corpus.train), corpus.dropped, corpus.fingerprint)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_a_file_larger_than_memory_comes_to_the_same_within_it(tmp_path):
    text = "word " * 180
    sections = []
    for name, count in (("few", 1100), ("many", 100_000)):
        path = tmp_path / f"{name}.jsonl"
        with path.open("w", encoding="utf-8") as out:
            for number in range(count):
                target = f"{text}{number // 2}"
                out.write(json.dumps({"source": f"{number // 2} {text}", "target": target}) + "\n")
        told = {"name": "x", "source": "files", "source_lang": "eng_Latn", "leaks": "keep",
                "target_lang": "spa_Latn", "train_file": str(path), "test_size": 10,
                "dev_size": 10}  # fmt: skip
        sections.append(DataConfig.model_validate(told).model_dump_json())
    found = []
    for room in (0, path.stat().st_size // 3):
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(room), *sections],
            capture_output=True, text=True, check=False,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "MTSWEEP_PREPARED": "off",
                 "MTSWEEP_CACHE": str(tmp_path), "ARROW_DEFAULT_MEMORY_POOL": "system"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.split(maxsplit=1))
    (_, whole), (kind, within) = found
    assert kind == "Shelf"
    assert within == whole
    assert whole.startswith("49990 {'duplicates': 49990}")


def test_what_a_control_group_leaves_is_told(tmp_path):
    assert device._left_of_group(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 150\n")
    assert device._left_of_group(tmp_path) == 450
    (tmp_path / "memory.max").write_text("max\n")
    assert device._left_of_group(tmp_path) is None
