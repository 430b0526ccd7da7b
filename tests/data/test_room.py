"""A file that is larger than the memory that a process may take."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from mtsweep import device
from mtsweep.config import DataConfig
from mtsweep.data import load

_PROGRAM = """
import resource, sys
from mtsweep import data, device
from mtsweep.config import DataConfig
from mtsweep.errors import UserError
sections = [DataConfig.model_validate_json(each) for each in sys.argv[2:]]
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for section in sections:
    try:
        print(len(data.load(section).train))
    except UserError as error:
        print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_a_file_larger_than_memory_is_refused_in_words_and_sampled_within_it(tmp_path):
    path = tmp_path / "large.jsonl"
    text = "word " * 180
    with path.open("w", encoding="utf-8") as out:
        for number in range(150_000):
            out.write(
                json.dumps({"source": f"{number} {text}", "target": f"{text}{number}"}) + "\n"
            )
    room = path.stat().st_size * 3 // 4
    told = {"name": "x", "source": "files", "source_lang": "eng_Latn", "target_lang": "spa_Latn",
            "train_file": str(path), "test_size": 10, "dev_size": 10, "leaks": "keep"}  # fmt: skip
    sections = [DataConfig(**told), DataConfig(**told, sample=1000)]
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(room), *(each.model_dump_json() for each in sections)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    refused, sampled = done.stdout.splitlines()
    assert refused.startswith("data.sample: ")
    assert "GiB left there is no room to read on" in refused
    assert int(sampled) > 900


def test_what_a_control_group_leaves_is_told(tmp_path):
    assert device._left_of_group(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 150\n")
    assert device._left_of_group(tmp_path) == 450
    (tmp_path / "memory.max").write_text("max\n")
    assert device._left_of_group(tmp_path) is None


def test_reading_goes_on_where_nobody_tells_of_memory(here, monkeypatch):
    from mtsweep.data import tally

    monkeypatch.setattr(tally, "_LOOKED", 1)
    rows = [json.dumps({"source": f"{n} of many", "target": f"{n} de muchos"}) for n in range(40)]
    (here / "p.jsonl").write_text("\n".join(rows))
    section = DataConfig(name="x", source="files", source_lang="eng_Latn", target_lang="spa_Latn",
                         train_file="p.jsonl", test_size=5, dev_size=5)  # fmt: skip
    monkeypatch.setattr(device, "left", lambda: None)
    assert len(load(section).train) == 30
