"""No key or secret in any file that a run leaves: planted ones, and the whole tree searched."""

from __future__ import annotations

import base64
import os
import subprocess
import sys

import pytest

from tests.standins.chat_server import KEY, chat_server

PLANTED = {
    "GROQ_API_KEY": KEY,
    "OPENAI_API_KEY": "sk-canary-openai-0123456789abcdef",
    "WANDB_API_KEY": "c0ffee11c0ffee22c0ffee33c0ffee44c0ffee55",
    "HF_TOKEN": "hf_canaryCANARYcanaryCANARYcanary12",
}
TINY = ["model=tiny_causal", "trainer=smoke", "data.test_size=6", "data.dev_size=4",
        "data.synthetic_file=synthetic/made", "data.synthetic_share=0,1", "data.size=12",
        "tracking=wandb"]  # fmt: skip


def _forms(secret):
    """The secret as it is, and as parts of a file may hold it."""
    yield secret.encode()
    yield secret.encode("utf-16-le")
    for shift in range(3):  # base64 of a text that has it somewhere
        coded = base64.b64encode(b"\0" * shift + secret.encode())
        yield coded[4:-4]


@pytest.mark.parametrize("before", [b"", b"x", b"xy", b"xyz"])
def test_the_search_sees_through_base64(before):
    held = base64.b64encode(before + KEY.encode() + b" and more")
    assert any(form in held for form in _forms(KEY))
    assert not any(form in base64.b64encode(b"nothing of the kind" * 9) for form in _forms(KEY))


@pytest.mark.slow
def test_a_sweep_and_a_synthesis_leave_no_key_in_any_file(here):
    environment = {**os.environ, **PLANTED, "WANDB_MODE": "offline", "HOME": str(here / "home")}
    (here / "home").mkdir()
    with chat_server() as server:
        commands = [
            ["synthesize", "synthesis=groq", f"synthesis.base_url={server.url}",
             "synthesis.pairs=40", "synthesis.folder=made", "synthesis.requests_per_minute=null",
             "synthesis.tokens_per_minute=null", "synthesis.filters.near=1"],
            ["-m", *TINY],
        ]  # fmt: skip
        told = b""
        for command in commands:
            done = subprocess.run(
                [sys.executable, "-m", "mtsweep", *command], cwd=here, env=environment,
                capture_output=True, check=False,
            )  # fmt: skip
            told += done.stdout + done.stderr
            assert done.returncode == 0, told.decode()
        assert server.keys == {KEY}  # it was used
    files = [path for path in here.rglob("*") if path.is_file()]
    assert len(list(here.glob("runs/*/record.json"))) == 3
    assert [path for path in files if path.suffix == ".wandb"], "W&B left nothing to search"
    for name, secret in PLANTED.items():
        forms = list(_forms(secret))
        found = [
            str(path.relative_to(here))
            for path in files
            if any(form in path.read_bytes() for form in forms)
        ]
        assert found == [], f"{name} stands in {found}"
        assert secret.encode() not in told
