import json
from pathlib import Path

import pytest

from mtsweep.config import ModelConfig
from mtsweep.errors import UserError
from mtsweep.models import smollm2
from mtsweep.models.locate import Located, locate
from tests.standins import NAMES, revision_of


def model(name: str | Path, **changes) -> ModelConfig:
    return ModelConfig(**{"name": str(name), "kind": "causal", "source": "hub", **changes})


def folder(path: Path, **files: str) -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    for name, text in files.items():
        (path / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return path


def refused(told: ModelConfig) -> str:
    with pytest.raises(UserError) as caught:
        locate(told)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_is_found_with_its_configuration(here):
    path = folder(here / "mine", tokenizer_config__json='{"tokenizer_class": "X"}')
    found = locate(model(path))
    assert found.name == str(path)
    assert found.config == {"model_type": "llama"}
    assert found.tokenizer_config == {"tokenizer_class": "X"}


def test_a_folder_needs_no_tokenizer_configuration(here):
    assert locate(model(folder(here / "mine"))).tokenizer_config == {}


def test_a_folder_can_be_named_from_here_or_from_home(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here))
    folder(here / "a" / "mine")
    revisions = {locate(model(name)).revision for name in ("a/mine", "./a/mine", "~/a/mine")}
    assert len(revisions) == 1


def test_a_fingerprint_knows_content_and_not_the_path(here):
    one, moved, edited = (
        locate(model(folder(here / name, model__safetensors=text))).revision
        for name, text in (("a", "weights"), ("b/c", "weights"), ("d", "weighty"))
    )
    assert one == moved != edited


@pytest.mark.parametrize(
    "file",
    ["model.safetensors", "pytorch_model.bin", "tokenizer.json", "source.spm", "vocab.txt",
     "sentencepiece.bpe.model", "chat_template.jinja", "generation_config.json"],
)  # fmt: skip
def test_every_file_that_from_pretrained_reads_is_in_the_fingerprint(here, file):
    revisions = set()
    for name, text in (("a", "{}"), ("b", "[]")):
        path = folder(here / name)
        (path / file).write_text(text, encoding="utf-8")
        revisions.add(locate(model(path)).revision)
    assert len(revisions) == 2


def test_large_weights_are_told_apart_by_size_and_by_both_ends(here):
    block = bytes(1 << 20)
    contents = [block * 2, b"x" + block[1:] + block, block + block[1:] + b"x", block * 2 + b"\0"]
    revisions = set()
    for number, content in enumerate(contents):
        path = folder(here / str(number))
        (path / "model.safetensors").write_bytes(content)
        revisions.add(locate(model(path)).revision)
    assert len(revisions) == len(contents)


def test_a_missing_folder_is_told(here):
    assert refused(model("./no/such")) == "model.name: there is no folder no/such"
    assert refused(model(here / "none")) == f"model.name: there is no folder {here / 'none'}"


def test_a_folder_without_config_json_is_told(here):
    (here / "empty").mkdir()
    assert refused(model(here / "empty")) == (
        f"model.name: the folder {here / 'empty'} holds no config.json"
    )


@pytest.mark.parametrize("text", ["{", "\x00"])
def test_a_broken_config_json_is_told_with_its_path(here, text):
    path = folder(here / "mine", config__json=text)
    assert refused(model(path)).startswith(
        f"model.name: {path / 'config.json'} is no readable JSON ("
    )


@pytest.mark.parametrize("name", ["a/b/c", "owner/na me", "owner/name!", "a--b/c..d"])
def test_what_is_no_hub_id_is_told(here, name):
    assert refused(model(name)) == (
        f"model.name: {name} is neither a folder nor a hub id like owner/name"
    )


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_told(here, name):
    assert refused(model(name)).startswith("model.name: ")


def test_an_absent_model_is_told_in_one_line_with_the_remedy(here):
    assert refused(model("nobody/nothing")) == (
        "model.name: nobody/nothing is not in the hub cache, and the hub cannot be reached; "
        "connect once, or set HF_HUB_CACHE to a folder that holds it (model=smollm2 needs no hub)"
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_hub_model_is_found_in_the_cache_with_its_commit(hub, here, name):
    found = locate(model(name))
    assert found.name == name
    assert found.revision == revision_of(name) == hub[name].name
    for told, file in (
        (found.config, "config.json"),
        (found.tokenizer_config, "tokenizer_config.json"),
    ):
        assert told == json.loads((hub[name] / file).read_text(encoding="utf-8"))
        assert told


def test_a_commit_of_a_hub_model_can_be_asked_for(hub, here):
    name = NAMES[0]
    assert locate(model(name, revision=revision_of(name))) == locate(model(name))
    told = refused(model(name, revision="0" * 40))
    assert told.startswith(("model.name: ", "model.revision: "))
    assert name in told


@pytest.mark.parametrize(("kind", "model_type"), [("causal", "llama"), ("seq2seq", "m2m_100")])
def test_a_tiny_model_needs_no_file(here, kind, model_type):
    found = locate(ModelConfig(name="tiny", kind=kind, source="tiny"))
    assert found.config["model_type"] == model_type
    assert found.config["vocab_size"] == 2048
    assert len(found.revision) == 12


def test_the_embedded_model_has_a_fixed_revision(here):
    found = locate(ModelConfig(name="smollm2", kind="causal", source="smollm2"))
    assert found == Located("smollm2", smollm2.REVISION, smollm2.SHAPE, {})
    assert list(here.iterdir()) == []
