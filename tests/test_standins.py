"""Every stand-in loads by its true name, offline, in a process that knows nothing of this one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from tests.standins import NAMES, lay_out, revision_of

Observation = dict[str, Any]

ROOT = Path(__file__).parents[1]
LLAMA, LLAMA_CHAT, QWEN, NLLB, M2M100, MARIAN, MARIAN_MANY, MBART, T5 = NAMES
CLASSES = {
    LLAMA: ("LlamaForCausalLM", "TokenizersBackend"),
    LLAMA_CHAT: ("LlamaForCausalLM", "TokenizersBackend"),
    QWEN: ("Qwen2ForCausalLM", "Qwen2Tokenizer"),
    NLLB: ("M2M100ForConditionalGeneration", "NllbTokenizer"),
    M2M100: ("M2M100ForConditionalGeneration", "M2M100Tokenizer"),
    MARIAN: ("MarianMTModel", "MarianTokenizer"),
    MARIAN_MANY: ("MarianMTModel", "MarianTokenizer"),
    MBART: ("MBartForConditionalGeneration", "MBart50Tokenizer"),
    T5: ("T5ForConditionalGeneration", "T5Tokenizer"),
}
CODES = {
    NLLB: ("eng_Latn", "spa_Latn", "deu_Latn", "fra_Latn", "tam_Taml"),
    M2M100: ("__en__", "__es__", "__de__", "__fr__", "__ta__"),
    MBART: ("en_XX", "es_XX", "de_DE", "fr_XX", "ta_IN"),
}
"""The language codes as tokens, English first and Tamil last."""

PHRASES = (
    "The bakery near the river opens at six.",
    "Please bring two chairs into the garden.",
    "¿Cuánto cuesta el billete más barato?",
    "Mañana lloverá en toda la región.",
    "Die Bäckerei am Fluss öffnet um sechs Uhr.",
    "Könnten Sie das größere Zimmer zeigen?",
    "Où se trouve l'entrée du musée ?",
    "Le garçon a mangé une pêche très mûre.",
    "ஆற்றின் அருகே உள்ள கடை ஆறு மணிக்குத் திறக்கும்.",
    "தயவுசெய்து இரண்டு நாற்காலிகளைக் கொண்டு வாருங்கள்.",
)
TEXTS = [f"{one} {other}" for one in PHRASES for other in PHRASES] + list(PHRASES)
SPANISH, TAMIL = PHRASES[2], PHRASES[-1]


def observe(name: str) -> Observation:
    """Load one stand-in as production code does and tell what it is and does."""
    config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    tokenizer = AutoTokenizer.from_pretrained(name, revision="main", trust_remote_code=False)
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    model = auto.from_pretrained(
        name, revision=revision_of(name), use_safetensors=True, trust_remote_code=False
    )
    names = ("bos_token", "eos_token", "pad_token", "unk_token_id", "padding_side", "is_fast")
    return {
        "classes": [type(model).__name__, type(tokenizer).__name__],
        "parameters": model.num_parameters(),
        "config": config.to_dict(),
        "generation": model.generation_config.to_dict(),
        "tokenizer": {name: getattr(tokenizer, name) for name in names},
        "tokens": len(tokenizer),
        "marian_codes": getattr(tokenizer, "supported_language_codes", None),
        "texts": {text: _round_trip(tokenizer, text) for text in PHRASES},
        "code_ids": tokenizer.convert_tokens_to_ids(list(CODES.get(name, ()))),
        "prompt": tokenizer.chat_template
        and tokenizer.apply_chat_template(
            [{"role": "user", "content": " Hello "}], tokenize=False, add_generation_prompt=True
        ),
        **_train_and_generate(name, tokenizer, model),
    }


def _round_trip(tokenizer: PreTrainedTokenizerBase, text: str) -> Observation:
    """Tokenise a text as a source and decode it."""
    ids = tokenizer(text).input_ids
    decoded = tokenizer.decode(ids, skip_special_tokens=True)
    return {"ids": ids, "tokens": tokenizer.convert_ids_to_tokens(ids), "decoded": decoded}


def _train_and_generate(
    name: str, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel
) -> Observation:
    """Take one step on two sentences of unlike length, then generate a few tokens."""
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    batch = tokenizer([SPANISH, "Bring two chairs"], padding=True, return_tensors="pt")
    labels = batch["input_ids"]
    if name in CODES:
        tokenizer.tgt_lang = CODES[name][-1].strip("_")
    if model.config.is_encoder_decoder:
        labels = tokenizer(text_target=[TAMIL, "zwei"], padding=True, return_tensors="pt").input_ids
    hidden = labels.masked_fill(labels == tokenizer.pad_token_id, -100)
    loss = model.train()(**batch, labels=hidden).loss
    loss.backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    limits = {"max_new_tokens": 4, "num_beams": 1, "do_sample": False}
    generated = model.eval().generate(**batch, **limits)  # pyright: ignore[reportCallIssue]
    return {
        "loss": loss.item(),
        "gradient": sum(gradient.float().abs().sum().item() for gradient in gradients),
        "target": tokenizer.convert_ids_to_tokens(labels[0].tolist()),
        "generated": generated.shape[1],
        "prompt_tokens": batch["input_ids"].shape[1],
    }


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a hub cache with every stand-in."""
    cache = tmp_path_factory.mktemp("hub")
    lay_out(cache, texts=TEXTS)
    return cache


@pytest.fixture(scope="module")
def observed(hub: Path) -> dict[str, Observation]:
    """Return what two fresh offline processes saw: one the decoders, one the others."""
    environment = os.environ | {
        "HF_HOME": str(hub.parent / "home"),
        "HF_HUB_CACHE": str(hub),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    seen: dict[str, Observation] = {}
    for names in (NAMES[:3], NAMES[3:]):
        command = [sys.executable, "-B", "-m", "tests.test_standins", *names]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        seen |= json.loads(done.stdout)
    return seen


@pytest.fixture(params=NAMES)
def seen(request: pytest.FixtureRequest, observed: dict[str, Observation]) -> Observation:
    """Give what was seen of each stand-in in turn."""
    return observed[request.param] | {"name": request.param}


def test_each_name_loads_as_its_true_classes(seen: Observation) -> None:
    assert tuple(seen["classes"]) == CLASSES[seen["name"]]
    assert tuple(seen["config"]["architectures"]) == CLASSES[seen["name"]][:1]


def test_each_model_is_small_and_has_a_row_for_every_token(seen: Observation) -> None:
    assert seen["parameters"] < 600_000
    assert seen["config"]["vocab_size"] >= seen["tokens"]


def test_every_training_text_comes_back_as_it_went_in(seen: Observation) -> None:
    for text, trip in seen["texts"].items():
        assert trip["decoded"] == text
        assert seen["tokenizer"]["unk_token_id"] not in trip["ids"]


def test_each_model_takes_a_step_and_generates(seen: Observation) -> None:
    assert 1 < seen["loss"] < 20
    assert 0 < seen["gradient"] < float("inf")
    before = 1 if seen["config"]["is_encoder_decoder"] else seen["prompt_tokens"]
    assert before < seen["generated"] <= before + 4


def test_llama_opens_every_text_and_has_neither_padding_nor_template(
    observed: dict[str, Observation],
) -> None:
    llama = observed[LLAMA]
    tokens = llama["texts"][SPANISH]["tokens"]
    assert tokens.count("<|begin_of_text|>") == 1
    assert tokens[0] == "<|begin_of_text|>"
    assert tokens[-1] != llama["tokenizer"]["eos_token"] == "<|end_of_text|>"
    assert llama["tokenizer"]["pad_token"] is None
    assert llama["prompt"] is None
    assert llama["config"]["num_key_value_heads"] < llama["config"]["num_attention_heads"]
    assert llama["config"]["tie_word_embeddings"]
    assert llama["config"]["rope_parameters"]["rope_type"] == "llama3"


def test_the_instructed_llama_pads_aside_and_ends_turns_not_texts(
    observed: dict[str, Observation],
) -> None:
    llama = observed[LLAMA_CHAT]
    assert llama["tokenizer"]["eos_token"] == "<|eot_id|>"
    assert llama["tokenizer"]["pad_token"] == "<|finetune_right_pad_id|>"
    assert len(llama["generation"]["eos_token_id"]) == 3
    assert llama["config"]["eos_token_id"] in llama["generation"]["eos_token_id"]
    assert llama["prompt"].startswith("<|begin_of_text|><|start_header_id|>system<|end_header_id|>")
    assert llama["prompt"].endswith(
        "<|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_qwen_opens_no_text_and_speaks_chatml(observed: dict[str, Observation]) -> None:
    qwen = observed[QWEN]
    assert qwen["tokenizer"]["bos_token"] is None
    assert qwen["tokenizer"]["eos_token"] == qwen["tokenizer"]["pad_token"] == "<|endoftext|>"
    assert not any("<|" in token for token in qwen["texts"][SPANISH]["tokens"])
    assert qwen["prompt"].startswith("<|im_start|>system\n")
    assert qwen["prompt"].endswith("<|im_start|>user\n Hello <|im_end|>\n<|im_start|>assistant\n")


@pytest.mark.parametrize("name", CODES)
def test_a_language_code_opens_source_and_target(
    name: str, observed: dict[str, Observation]
) -> None:
    seen = observed[name]
    assert len({*seen["code_ids"], seen["tokenizer"]["unk_token_id"]}) == 6
    source = seen["texts"][SPANISH]["tokens"]
    assert (source[0], source[-1]) == (CODES[name][0], "</s>")
    assert (seen["target"][0], seen["target"][-1]) == (CODES[name][-1], "</s>")
    assert seen["config"]["decoder_start_token_id"] == 2


def test_marian_starts_from_its_padding_and_only_the_wide_one_has_codes(
    observed: dict[str, Observation],
) -> None:
    for name in (MARIAN, MARIAN_MANY):
        config = observed[name]["config"]
        assert config["decoder_start_token_id"] == config["pad_token_id"]
        assert config["pad_token_id"] == config["vocab_size"] - 1
        assert observed[name]["generation"]["bad_words_ids"] == [[config["pad_token_id"]]]
        assert observed[name]["target"][-1] == "</s>"
    assert observed[MARIAN]["marian_codes"] == []
    assert {">>spa<<", ">>deu<<", ">>fra<<", ">>tam<<"} <= {*observed[MARIAN_MANY]["marian_codes"]}


def test_t5_decodes_from_its_padding(observed: dict[str, Observation]) -> None:
    assert observed[T5]["config"]["decoder_start_token_id"] == 0
    assert observed[T5]["config"]["pad_token_id"] == 0
    assert observed[T5]["target"][-1] == "</s>"


def test_the_cache_has_the_hubs_layout(hub: Path) -> None:
    for name in NAMES:
        repository = hub / f"models--{name.replace('/', '--')}"
        assert {path.name for path in repository.iterdir()} == {"blobs", "refs", "snapshots"}
        commit = (repository / "refs" / "main").read_text(encoding="utf-8")
        assert commit == revision_of(name)
        files = {path.name for path in (repository / "snapshots" / commit).iterdir()}
        assert {"config.json", "model.safetensors", "tokenizer_config.json"} <= files
        assert not any(file.endswith((".bin", ".pt")) for file in files)


def test_what_is_laid_out_is_not_built_again(hub: Path) -> None:
    weights = lay_out(hub, [QWEN], texts=TEXTS)[QWEN] / "model.safetensors"
    built = weights.stat().st_mtime_ns
    lay_out(hub, [QWEN], texts=TEXTS)
    assert weights.stat().st_mtime_ns == built


def test_the_same_texts_give_the_same_files_and_a_salt_gives_another_revision(
    hub: Path, tmp_path: Path
) -> None:
    first, again = (lay_out(cache, [QWEN], texts=TEXTS)[QWEN] for cache in (hub, tmp_path))
    for file in again.iterdir():
        assert file.read_bytes() == (first / file.name).read_bytes()
    other = lay_out(tmp_path, [QWEN], texts=TEXTS, revision_salt="next")[QWEN]
    assert other.name == revision_of(QWEN, "next") != again.name
    assert (other.parents[1] / "refs" / "main").read_text(encoding="utf-8") == other.name
    weights = "model.safetensors"
    assert (other / weights).read_bytes() != (again / weights).read_bytes()


if __name__ == "__main__":
    sys.stdout.write(json.dumps({name: observe(name) for name in sys.argv[1:]}))
