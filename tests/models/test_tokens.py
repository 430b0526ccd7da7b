"""Token ids that an earlier process made: the same, bit for bit, and never those of other texts."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from mtsweep import store
from mtsweep.config import PromptConfig
from mtsweep.data.pairs import Corpus, Pair
from mtsweep.data.shots import Shots
from mtsweep.errors import RunFailedError
from mtsweep.models import tokens
from mtsweep.models.chat import ChatCodec
from mtsweep.models.codec import Codec
from mtsweep.models.ragged import Pieces
from mtsweep.training import examples, fit, rows
from tests.small import PROMPT, small_base
from tests.training.test_fit import Heard, trainer
from tests.training.test_fit_chat import TALKS

EN_ES, EN_DE = ("eng_Latn", "spa_Latn"), ("eng_Latn", "deu_Latn")
PAIRS = tuple(
    Pair(f"{n}", f"Text {n} of many, {'more ' * (n % 5)}", f"Texto {n} de <|end|> muchos </s>",
         "x", f"{n}", EN_DE if n % 7 == 3 else None) for n in range(40)
)  # fmt: skip
NEAREST = PromptConfig(
    name="x", template="{source}: {text}\n{target}:", shots=3, choice="nearest", one_line=True
)
CHAT = PromptConfig(name="x", template="Into {target}: {text}", chat=True)
SEQ2SEQ = {
    "facebook/nllb-200-distilled-600M": "nllb",
    "Helsinki-NLP/opus-mt-en-mul": "marian",
    "google-t5/t5-small": "t5",
}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A store in which everything is kept, however small."""
    monkeypatch.setattr(store, "folder", lambda: tmp_path / "prepared")
    monkeypatch.setenv("MTSWEEP_PREPARED", "on")
    monkeypatch.setattr(store, "WORTH", 0.0)
    monkeypatch.setattr(tokens, "_MANY", 0)
    return tmp_path / "prepared"


@pytest.fixture(scope="module")
def tiny() -> str:
    return small_base("tiny_causal").tokenizer.name_or_path


def entries(place) -> int:
    return len([*place.glob("tokens-*[!k]")]) if place.exists() else 0


def codec(
    folder, prompt=PROMPT, languages=EN_ES, family: Any = "causal", shown=PAIRS[:30]
) -> Codec:
    """A codec as a new process has it."""
    shots = Shots(shown, languages, prompt.shots, prompt.choice, 150) if prompt.shots else None
    return Codec(AutoTokenizer.from_pretrained(folder), family, languages, prompt, shots)


def told(made: Codec | ChatCodec, pairs=PAIRS) -> list:
    if isinstance(made, ChatCodec):
        encoded = examples.chat(pairs, made, None)
    else:
        encode = examples.causal if made.family == "causal" else examples.seq2seq
        encoded = encode(pairs, made, None)
    return [
        encoded.rows.to_dict(),
        encoded.places.tolist(),
        examples.lengths(encoded.rows).tolist(),
    ]


def refuse(monkeypatch, *codecs):
    """Nothing is encoded by them."""
    for each in codecs:
        for name in ("_encode_source", "_encode_target", "_applied"):
            if hasattr(each, name):
                monkeypatch.setattr(each, name, lambda *_, **__: pytest.fail("it was encoded"))


def off_and_twice(monkeypatch, make, pairs=PAIRS):
    """Ids without the store, made and kept, and read back by a process that encodes nothing."""
    with monkeypatch.context() as patch:
        patch.setenv("MTSWEEP_PREPARED", "off")
        without = told(make(), pairs)
    first = told(make(), pairs)
    later = make()
    refuse(monkeypatch, later, *([later.between(EN_DE)] if isinstance(later, Codec) else []))
    return without, first, told(later, pairs), later


@pytest.mark.parametrize("prompt", [PROMPT, CHAT, NEAREST], ids=["plain", "chat", "nearest"])
def test_ids_of_a_decoder_are_the_same_made_kept_and_without(monkeypatch, place, tiny, prompt):
    without, first, again, later = off_and_twice(monkeypatch, lambda: codec(tiny, prompt))
    assert without == first == again
    assert entries(place) == 1
    fresh = codec(tiny, prompt)
    row, pair = again[0]["input_ids"][3], PAIRS[3]
    own = fresh.of(pair)
    assert row == own.source_ids(pair.source) + own.target_ids(pair.target)
    monkeypatch.setenv("MTSWEEP_PREPARED", "off")
    told(fresh)
    shown = [fresh.of(pair).shown.get(pair.source, 0) for pair in PAIRS]
    pieces = tokens.sides(PAIRS, later)
    assert [number for piece in pieces for number in piece.shown.tolist()] == shown
    assert any(shown) == bool(prompt.shots)


@pytest.mark.parametrize("name", SEQ2SEQ)
def test_ids_of_an_encoder_decoder_are_the_same_made_kept_and_without(
    monkeypatch, hub, place, name
):
    make = lambda: codec(hub[name], PROMPT, EN_ES, SEQ2SEQ[name])  # noqa: E731
    without, first, again, _ = off_and_twice(monkeypatch, make)
    assert without == first == again
    assert entries(place) == 1


def test_conversations_are_the_same_made_kept_and_without(monkeypatch, place, tiny):
    make = lambda: ChatCodec(AutoTokenizer.from_pretrained(tiny))  # noqa: E731
    without, first, again, later = off_and_twice(monkeypatch, make, TALKS)
    assert without == first == again
    assert entries(place) == 1
    fresh = make()
    wanted = [(place, row) for place, each in enumerate(TALKS)
              for row in fresh.spoken(each.messages)]  # fmt: skip
    assert list(tokens.spoken(TALKS, later)) == wanted
    assert again[0]["labels"] == [examples.row(row)["labels"] for _, row in wanted]


def test_prompts_of_a_test_set_are_the_same_made_and_read_back(monkeypatch, place, tiny):
    texts = [pair.source for pair in PAIRS[:5]]
    first, later = codec(tiny, NEAREST), codec(tiny, NEAREST)
    tokens.learn_prompts(texts, first)
    assert entries(place) == 1
    refuse(monkeypatch, later)
    tokens.learn_prompts(texts, later)
    assert [later.source_ids(text) for text in texts] == [first.source_ids(text) for text in texts]
    assert later.fewer(texts) == first.fewer(texts) > 0


def test_whatever_decides_ids_has_an_entry_of_its_own(monkeypatch, place, tiny, hub):
    rule = AutoTokenizer.from_pretrained(tiny)
    rule.add_tokens(["many"])
    template = AutoTokenizer.from_pretrained(tiny)
    template.chat_template = template.chat_template.replace("<|start|>", "<|start|> ")
    made = {
        "plain": codec(tiny),
        "prompt": codec(tiny, PROMPT.model_copy(update={"template": "{text} ="})),
        "languages": codec(tiny, languages=EN_DE),
        "examples": codec(tiny, NEAREST),
        "other examples": codec(tiny, NEAREST, shown=PAIRS[:20]),
        "fewer examples": codec(tiny, NEAREST.model_copy(update={"shots": 1})),
        "tokenizer": Codec(rule, "causal", EN_ES, PROMPT),
        "as a chat": codec(tiny, CHAT),
        "chat template": Codec(template, "causal", EN_ES, CHAT),
        "model": codec(hub["Qwen/Qwen2-1.5B"]),
    }
    ids = {}
    for count, (name, each) in enumerate(made.items(), start=1):
        ids[name] = told(each)[0]["input_ids"]
        assert entries(place) == count, name
    equal = [each for each in combinations(ids, 2) if ids[each[0]] == ids[each[1]]]
    assert equal == []
    for count, pairs in enumerate((PAIRS[:20], PAIRS[::-1]), start=len(made) + 1):
        told(codec(tiny), pairs)
        assert entries(place) == count
    monkeypatch.setattr(tokens, "_made_by", lambda: ["another version"])
    told(codec(tiny))
    assert entries(place) == len(made) + 3


def test_what_is_too_long_is_left_out_of_the_same_entry(place, tiny):
    whole = told(codec(tiny))
    limit = sorted(whole[2])[20]
    short = examples.causal(PAIRS, codec(tiny), limit)
    assert entries(place) == 1
    fits = [number for number, length in enumerate(whole[2]) if length <= limit]
    assert short.places.tolist() == fits
    assert short.too_long == len(PAIRS) - len(fits) > 0
    for column in ("input_ids", "labels"):
        assert list(short.rows[column]) == [whole[0][column][number] for number in fits]


def test_a_set_is_read_once_a_process_and_few_texts_never(monkeypatch, place, tiny):
    made = codec(tiny)
    told(made)
    monkeypatch.setattr(store, "kept_file", lambda *_: pytest.fail("the store was asked"))
    told(made)
    monkeypatch.setattr(tokens, "_MANY", 1000)
    monkeypatch.setattr(store, "WORTH", 60.0)
    told(codec(tiny))


def test_what_takes_long_is_looked_for_however_few_they_are(monkeypatch, place, tiny):
    monkeypatch.setattr(tokens, "_MANY", 1000)
    told(codec(tiny))
    assert entries(place) == 1


def test_a_torn_entry_is_made_again(place, tiny):
    first = told(codec(tiny))
    (entry,) = place.glob("tokens-*[!k]")
    entry.write_bytes(entry.read_bytes()[:-1])
    assert told(codec(tiny)) == first


def test_a_codec_remembers_a_few_sets_alone(tiny):
    made = codec(tiny)
    for count in range(1, 20):
        told(made, PAIRS[:count])
    assert len(made.sets) == tokens._IN_MEMORY


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pairs", "talks"])
def test_a_training_learns_the_same_from_ids_that_another_made(monkeypatch, tmp_path, kind):
    part = PAIRS[:6] if kind == "pairs" else TALKS
    corpus = Corpus(*EN_ES, part, part[:1], part[:1], len(part), part, {})
    losses = []
    for kept in ("off", "on", "on"):
        monkeypatch.setenv("MTSWEEP_PREPARED", kept)
        base = small_base("tiny_causal")
        made = base.codec(EN_ES, PROMPT) if kind == "pairs" else base.chat_codec()
        heard = Heard()
        fit(base.model, made, corpus, trainer(), 1, tmp_path / kept / str(len(losses)), heard)
        losses.append(heard.losses)
    assert losses[0] == losses[1] == losses[2]


@pytest.mark.parametrize("kept", ["on", "off"])
def test_rows_that_memory_has_no_room_for_are_the_same(monkeypatch, place, tiny, kept):
    chats = lambda: ChatCodec(AutoTokenizer.from_pretrained(tiny))  # noqa: E731
    makers = ((lambda: codec(tiny, NEAREST), PAIRS), (chats, TALKS))
    with monkeypatch.context() as patch:
        patch.setenv("MTSWEEP_PREPARED", "off")
        held = [told(make(), pairs) for make, pairs in makers]
    monkeypatch.setenv("MTSWEEP_PREPARED", kept)
    monkeypatch.setattr(tokens, "_PIECE", 3)
    monkeypatch.setattr(tokens, "_HELD", 1)
    monkeypatch.setattr(rows, "HELD", 0)
    for (make, pairs), wanted in zip(makers, held, strict=True):
        made = make()
        assert told(made, pairs) == wanted
        [pieces] = made.sets.values()
        assert isinstance(pieces, Pieces)
        later = make()
        if kept == "on":
            refuse(
                monkeypatch, later, *([later.between(EN_DE)] if isinstance(later, Codec) else [])
            )
        assert told(later, pairs) == wanted
    limit = sorted(held[0][2])[20]
    short = examples.causal(PAIRS, codec(tiny, NEAREST), limit)
    assert short.places.tolist() == [
        number for number, length in enumerate(held[0][2]) if length <= limit
    ]
    assert list(short.rows["labels"]) == [held[0][0]["labels"][n] for n in short.places]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is full")
@pytest.mark.parametrize("holder", [tokens, rows])
def test_a_disk_that_cannot_take_token_ids_is_told_with_the_remedy(monkeypatch, tiny, holder):
    monkeypatch.setattr(holder, "_HELD" if holder is tokens else "HELD", 0)
    monkeypatch.setattr(store, "scratch", partial(Path("/dev/full").open, "wb", buffering=0))
    with pytest.raises(RunFailedError, match=r"token ids .*No space left .*data\.size"):
        examples.causal(PAIRS, codec(tiny), None)


def test_a_codec_remembers_the_newest_texts_alone(monkeypatch, tiny):
    made = codec(tiny)
    one, other = made.source_ids("A text."), made.source_ids("Another text.")
    monkeypatch.setattr("mtsweep.models.codec._TOKENS", len(other) + 1)
    assert made.target_ids("Ein Text.") == made.target_ids("Ein Text.")
    third = made.source_ids("A third text.")
    assert not made.knows("A text.")
    assert made.knows("A third text.") == (len(third) <= len(other) + 1)
    assert made.source_ids("A text.") == one
