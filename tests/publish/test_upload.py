"""The real client against a hub on loopback, with a small folder."""

from __future__ import annotations

import json
import socket
import struct

import pytest

from mtsweep.errors import MtsweepError, UserError
from mtsweep.publish import Parcel, checked_name, scan, send, welcome
from tests.standins.hub_server import TOKEN, hub_server

# Of the client's own upload of large files.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

NAME = "tester/small"


@pytest.fixture
def hub_here(monkeypatch):
    """A server, and the client set to it."""
    from huggingface_hub import constants

    with hub_server() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server


@pytest.fixture
def parcel(tmp_path):
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# x\n", encoding="utf-8")
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "adapter_model.safetensors").write_bytes(safetensors({}))
    return of(tmp_path)


def pushed(parcel):
    welcome(NAME)
    send(parcel, NAME, "0", private=False)


def of(folder) -> Parcel:
    files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    return Parcel(folder, files, (), None)


def safetensors(metadata: dict) -> bytes:
    header = json.dumps({"__metadata__": metadata}).encode()
    return struct.pack("<Q", len(header)) + header


def test_a_folder_arrives_whole_in_one_commit(hub_here, parcel):
    welcome(NAME)
    address = send(parcel, NAME, "0123456789ab", private=True)
    made = hub_here.repositories[NAME]
    assert address == f"{hub_here.url}/{NAME}"
    assert made.private
    assert made.commits == ["initial commit", "Run 0123456789ab of mtsweep 0.1.0"]
    for name, size in parcel.files.items():
        assert made.files[name] == (parcel.folder / name).read_bytes()
        assert len(made.files[name]) == size
    assert len(hub_here.objects) == 1  # the weights, as a large file
    assert sum(path.endswith("/commit/main") for _, path in hub_here.asked) == 1


def test_another_push_takes_the_place_of_the_first_and_of_nothing_else(hub_here, parcel):
    send(parcel, NAME, "0", private=False)
    made = hub_here.repositories[NAME]
    assert not made.private
    made.files["notes.txt"] = b"mine"
    (parcel.folder / "adapter_model.safetensors").unlink()
    (parcel.folder / "adapter_config.json").unlink()
    (parcel.folder / "model.safetensors").write_bytes(safetensors({"format": "pt"}))
    send(of(parcel.folder), NAME, "1", private=False)
    assert set(made.files) == {".gitattributes", "README.md", "model.safetensors", "notes.txt"}
    assert len(made.commits) == 3


def test_a_public_repository_does_not_take_what_was_to_be_private(hub_here, parcel):
    send(parcel, NAME, "0", private=False)
    with pytest.raises(UserError, match="is there already and is public"):
        send(parcel, NAME, "1", private=True)
    assert len(hub_here.repositories[NAME].commits) == 2


@pytest.mark.parametrize(
    ("part", "answer", "told", "code"),
    [
        ("/whoami", (401, {"error": "no"}), "does not know this token", 2),
        ("/create", (403, {"error": "Forbidden"}), "no right to write there", 2),
        ("/preupload", (404, {"error": "Not found"}), "no right to write there", 2),
        ("/validate-yaml", (400, {"errors": [{"message": "license is odd"}]}), "refuses it", 2),
        ("/commit", (400, {"error": "too large"}), "refuses it", 2),
        ("/lfs/", (503, {}), "does not answer as it should", 1),
        ("/commit", (500, {"error": "down"}), "does not answer as it should", 1),
        ("/create", (429, {"error": "slowly"}), "does not answer as it should", 1),
    ],
)
def test_a_refusal_is_one_line_with_its_remedy(
    hub_here, parcel, monkeypatch, part, answer, told, code
):
    monkeypatch.setattr("time.sleep", lambda _: None)  # between the client's own tries
    hub_here.refusals[part] = answer
    with pytest.raises(MtsweepError, match=told) as caught:
        pushed(parcel)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == code


def test_who_may_not_write_is_told_before_anything_is_made(hub_here, monkeypatch):
    with pytest.raises(UserError, match="does not belong to somebody; there are: team, tester"):
        welcome("somebody/small")
    welcome("team/small")
    hub_here.role = "read"
    with pytest.raises(UserError, match="may only read"):
        welcome(NAME)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(UserError, match="nobody is logged in"):
        welcome(NAME)
    assert {path for _, path in hub_here.asked} == {"/api/whoami-v2"}


def test_an_unreachable_hub_is_an_outage_and_offline_mode_a_setting(hub_here, monkeypatch):
    from huggingface_hub import constants

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{free.getsockname()[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", gone)
        with pytest.raises(MtsweepError, match="cannot be reached") as caught:
            welcome(NAME)
    assert caught.value.exit_code == 1
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        welcome(NAME)


@pytest.mark.parametrize("name", ["small", "a/b/c", "/b", "a/", "a/b--c", "a/.b", "a/" + "b" * 99])
def test_a_name_that_is_none_is_told(name):
    with pytest.raises(UserError, match=r"owner/name|no name for a repository"):
        checked_name(name)
    assert checked_name("a/b-c_1.0") == "a/b-c_1.0"


def test_only_what_a_model_is_loaded_from_goes_out():
    for name in ("training_args.bin", "optimizer.pt", "rng_state.pth", "trainer_state.json",
                 "export.json", "examples.json", "log.txt", "checkpoint-3/model.safetensors",
                 "wandb/run.wandb", "record.json", "pytorch_model.bin", ".env"):  # fmt: skip
        assert scan.kind(name) is None, name
    for name in ("model-00001-of-00002.safetensors", "source.spm", "chat_template.jinja"):
        assert scan.kind(name) is not None, name


def test_secrets_are_found_in_every_kind_of_file(tmp_path):
    (tmp_path / "config.json").write_text('{"_name_or_path": "/home/me/base"}')
    (tmp_path / "tokenizer.json").write_text('{"vocab": {"/usr/x/y": 1}}')
    (tmp_path / "adapter_model.safetensors").write_bytes(safetensors({"from": "/home/me/x"}))
    (tmp_path / "README.md").write_text(f"token {TOKEN}")
    (tmp_path / "left.txt").write_text(TOKEN)
    assert list(scan.found(tmp_path)) == [
        "README.md: a Hugging Face token",
        "adapter_model.safetensors: a path (x)",
        "config.json: a path (base)",
    ]
