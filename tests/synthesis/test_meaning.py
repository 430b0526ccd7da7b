"""Pairs whose meaning is near nothing real are left out, by a small encoder of the true kind."""

import importlib.util
import json

import pytest

from mtsweep import data
from mtsweep.cli import run
from mtsweep.config import FilterConfig
from mtsweep.synthesis import meaning
from tests.overrides import config
from tests.standins.chat_server import KEY, Reply, chat_server, good

SILENT = (
    "position_embeddings.weight",
    "token_type_embeddings.weight",
    "output.dense.weight",
)
"""Weights without which words alone count."""


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A folder with a small BERT whose words are those of the phrasebook.

    It is untrained, and nothing but its random word vectors counts, so that texts are near each
    other as far as they share words.
    """
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("encoder")
    corpus = data.load(config().data)
    pieces = BertWordPieceTokenizer()
    pieces.train_from_iterator((pair.source for pair in corpus.train), vocab_size=2000)
    pieces.save_model(str(folder))
    BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        sizes = BertConfig(
            vocab_size=2000,
            hidden_size=64,
            num_hidden_layers=1,
            num_attention_heads=4,
            intermediate_size=128,
        )
        model = BertModel(sizes)
        for name, weights in model.named_parameters():
            if name.endswith(SILENT):
                weights.zero_()
        model.save_pretrained(folder)
    return folder


def test_a_text_is_nearest_to_itself_and_far_from_what_nobody_says(encoder):
    corpus = data.load(config().data)
    located = meaning.find(FilterConfig(embedding=str(encoder)))
    assert located is not None
    space = meaning.Meaning(located, corpus)
    said = corpus.train[7].source
    strange = "☃ ☂ ☀ " * 8
    space.look_at([said, strange])
    assert space.nearest(said) == pytest.approx(1, abs=1e-4)
    assert space.nearest(strange) < 0.4
    assert -1 <= space.nearest("☃ ☂ house") < 1  # of another batch


def test_what_is_near_nothing_real_is_left_out_with_examples(here, encoder, monkeypatch):
    monkeypatch.setenv("CHAT_KEY", KEY)
    strange = [{"en": f"☃ ☂ ☀ {n} " * 8, "es": f"☂ {n} ☂ ☃ " * 8} for n in "αβγ"]
    odd = Reply(json.dumps({"pairs": strange}))
    with chat_server(lambda n, body: odd if n == 0 else good(n, body)) as server:
        code = run(
            [
                "synthesize",
                "synthesis=local",
                "synthesis.model=m",
                "synthesis.pairs=10",
                "synthesis.api_key_env=CHAT_KEY",
                "synthesis.structured=none",
                f"synthesis.base_url={server.url}",
                "synthesis.folder=made",
                "synthesis.filters.near=1",
                "synthesis.filters.language=0",
                f"synthesis.filters.embedding={encoder}",
                "synthesis.filters.meaning=0.5",
            ]
        )
    card = json.loads((here / "synthetic/made/card.json").read_text(encoding="utf-8"))
    assert code == 0
    assert card["dropped"]["far from anything real"] == 3
    assert card["dropped_examples"]["far from anything real"][0] == {
        "source": strange[0]["en"],
        "target": strange[0]["es"],
    }
    assert card["embedding"]["model"] == str(encoder)
    assert len(card["embedding"]["revision"]) == 16


def test_without_the_extra_it_is_named_before_anybody_is_asked(here, capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert run(["synthesize", "synthesis=groq", "synthesis.filters.embedding=owner/name"]) == 2
    assert "pip install 'mtsweep[embeddings]'" in capsys.readouterr().err


def test_an_embedding_model_that_is_not_there_is_told(here, capsys):
    assert run(["synthesize", "synthesis=groq", "synthesis.filters.embedding=./nowhere"]) == 2
    assert "synthesis.filters.embedding: there is no folder nowhere" in capsys.readouterr().err
