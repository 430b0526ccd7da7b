"""A real model behind a real server: the embedded SmolLM2, through ``transformers serve``."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from mtsweep.cli import run
from mtsweep.models import smollm2

REQUEST = (
    "Continue this JSON list with {count} new pair of {source} and {target}, in the same form: "
    "{examples}"
)
"""As much as a model of 135M parameters can follow: it answers in the form, and copies."""


@pytest.fixture
def server(tmp_path):
    """Address of the API, and the model's name there."""
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = str(smollm2.obtain(print))
    program = shutil.which("transformers", path=Path(sys.executable).parent) or "transformers"
    log = (tmp_path / "server.log").open("wb")
    process = subprocess.Popen(
        [program, "serve", model, "--device", "cpu", "--host", "127.0.0.1", "--port", str(port)],
        stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        _wait(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}/v1", model
    finally:
        process.terminate()
        process.wait()
        log.close()


def _wait(url, process):
    for _ in range(240):
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail("the server did not come up")


@pytest.mark.slow
def test_a_real_model_answers_and_its_answer_goes_all_the_way(here, server):
    url, model = server
    command = ["synthesize", "synthesis=local", f"synthesis.base_url={url}",
               f"synthesis.model={model}", "synthesis.pairs=1", "synthesis.pairs_per_request=1",
               "synthesis.examples=2", "synthesis.max_tokens=48", "synthesis.temperature=0",
               "synthesis.system=", f'synthesis.request="{REQUEST}"', "synthesis.folder=made",
               "synthesis.timeout=300", "synthesis.budget_tokens=280"]  # fmt: skip
    run(command)  # 0 or 1, as the model pleases: it may have repeated its examples
    card = json.loads((here / "synthetic/made/card.json").read_text(encoding="utf-8"))
    usage = card["usage"]
    assert usage["requests"] >= 1
    assert usage["failed_tries"] == 0
    assert 0 < usage["answer_tokens"] <= 48 * usage["requests"]
    assert usage["prompt_tokens"] > 50
    assert card["pairs"] + sum(card["dropped"].values()) >= usage["requests"]
    answers = [
        told
        for line in (here / "synthetic/made/ledger.jsonl").read_text(encoding="utf-8").splitlines()
        if (told := json.loads(line))["event"] == "answered"
    ]
    assert {told["model"] for told in answers} == {model}
    assert all(told["text"].strip() for told in answers)
