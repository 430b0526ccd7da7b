import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtsweep.config import DataConfig
from mtsweep.data import leaks, load
from mtsweep.data.clean import normal
from mtsweep.data.leaks import without_leaks
from mtsweep.data.pairs import Message, Pair, conversation, fold
from mtsweep.errors import UserError

LONG = "The committee will meet again on the second Thursday of the month to vote on the proposal"


def pair(number: int, source: str, target: str = "") -> Pair:
    return Pair(f"p{number}", source, target or f"otra cosa {number} distinta", "x", fold(source))


def found(train: Pair, test: Pair, similarity: float = 0.9) -> list[tuple[str, str, str, float]]:
    _, told = without_leaks([train], [test], similarity)
    return [(leak.train, leak.held_out, leak.side, leak.similarity) for leak in told]


def test_a_text_is_found_whatever_its_case_and_punctuation():
    assert found(pair(1, "where is it"), pair(2, "Where is it?")) == [("p1", "p2", "source", 1.0)]


def test_conversations_may_end_with_the_same_few_words_but_not_with_the_same_answer():
    def talk(number, asked, answer):
        turns = [Message("user", asked), Message("assistant", answer)]
        return conversation(f"p{number}", turns, "x")

    assert found(talk(1, "Thanks a lot", "Not at all."), talk(2, "Thank you", "Not at all.")) == []
    assert found(talk(1, "What now?", LONG), talk(2, "Tell me when", LONG)) == [
        ("p1", "p2", "target", 1.0)
    ]
    assert found(talk(1, "Thanks", "Bye."), talk(2, "Thanks", "Now go.")) == [
        ("p1", "p2", "source", 1.0)
    ]


def test_the_target_side_is_looked_at_too():
    told = found(pair(1, "Where?", "¿Dónde está?"), pair(2, "Where is it?", "¿Dónde está?"))
    assert told == [("p1", "p2", "target", 1.0)]


def test_a_near_repetition_is_found_and_a_far_one_is_not():
    near = LONG.replace("Thursday", "thursday").replace("proposal", "proposals")
    ((_, _, side, similarity),) = found(pair(1, near), pair(2, LONG))
    assert side == "source"
    assert 0.9 <= similarity < 1
    far = LONG.replace("committee", "parliament").replace("proposal", "budget")
    assert found(pair(1, far), pair(2, LONG)) == []
    assert found(pair(1, far), pair(2, LONG), similarity=0.6) != []


def test_only_equal_texts_are_leaks_at_similarity_one():
    assert found(pair(1, f"{LONG}s"), pair(2, LONG), similarity=1) == []
    assert found(pair(1, LONG.upper()), pair(2, LONG), similarity=1) != []


words = st.sampled_from(
    ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota"]
)
texts = st.lists(words, min_size=1, max_size=12).map(" ".join)


@settings(max_examples=30, deadline=None)
@given(st.lists(texts, max_size=12), st.lists(texts, min_size=1, max_size=12))
def test_what_is_kept_repeats_nothing_and_what_is_not_is_told(train, test):
    pairs = [pair(n, text) for n, text in enumerate(train)]
    held_out = [pair(100 + n, text) for n, text in enumerate(test)]
    kept, told = without_leaks(pairs, held_out, 0.9)
    assert len(kept) + len(told) == len(pairs)
    assert not {each.source for each in kept} & set(test)
    assert {leak.train for leak in told} == {each.id for each in pairs} - {each.id for each in kept}
    assert without_leaks(kept, held_out, 0.9) == (kept, [])


letters = st.text(alphabet="abc ", min_size=10, max_size=40)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(texts | letters, max_size=8),
    st.lists(texts | letters, min_size=1, max_size=8),
    st.floats(0.05, 1),
)
def test_the_search_finds_exactly_what_comparing_all_with_all_finds(train, test, similarity):
    pairs = [pair(n, text) for n, text in enumerate(train)]
    # Some of them nearly repeat a held-out text.
    pairs += [pair(50 + n, f"{text[:-1]}x") for n, text in enumerate(test)]
    held_out = [pair(100 + n, text, f"{n}") for n, text in enumerate(test)]
    _, told = without_leaks(pairs, held_out, similarity)
    assert {leak.train: leak.similarity for leak in told} == dict(every(pairs, test, similarity))


def every(pairs, held_out, similarity):
    """Of every pair that repeats a held-out source, how similar they are."""
    known = {text: leaks._grams(text) for text in map(normal, held_out) if text}
    for each in pairs:
        text = normal(each.source)
        near = [1.0] if text in known else []
        if text and not near and len(text) >= 10 and similarity < 1:
            own = leaks._grams(text)
            jaccards = [len(own & theirs) / len(own | theirs) for theirs in known.values()]
            near = [round(jaccard, 3) for jaccard in jaccards if jaccard >= similarity]
        if near:
            yield each.id, max(near)


def test_texts_that_differ_in_numbers_alone_are_not_compared_with_one_another(monkeypatch):
    text = "The item with the number {} is on its way to the shop at the corner of the old market"
    train = [pair(n, text.format(n * 7919)) for n in range(100)]
    held_out = [pair(10_000 + n, text.format(n * 7907 + 1)) for n in range(400)]
    looked = []
    inner = leaks._Index._of
    monkeypatch.setattr(
        leaks._Index, "_of", lambda index, place: (looked.append(place), inner(index, place))[1]
    )
    _, told = without_leaks(train, held_out, 0.9)
    assert {leak.train for leak in told} == {
        name for name, _ in every(train, [each.source for each in held_out], 0.9)
    }
    assert len(looked) < len(train) * len(held_out) / 20


def leaky(here, **changes) -> DataConfig:
    names = ["apple", "bridge", "candle", "dragon", "engine", "forest", "garden", "harbour"]
    rows = [f"I saw the {a} behind the {b}" for a in names for b in names if a != b]
    (here / "train.tsv").write_text(
        "source\ttarget\n" + "".join(f"{row}\tvi {n}\n" for n, row in enumerate(rows)),
        encoding="utf-8",
    )
    (here / "test.tsv").write_text(
        "source\ttarget\nI saw the apple behind the bridge!\tvi algo\nSomething else here\tvi 7\n",
        encoding="utf-8",
    )
    return DataConfig(
        name="f", source="files", source_lang="eng_Latn", target_lang="spa_Latn", dev_size=2,
        train_file="train.tsv", test_file="test.tsv", **changes,
    )  # fmt: skip


def test_leaks_are_taken_out_of_train_alone_counted_and_listed(here):
    corpus, kept = load(leaky(here)), load(leaky(here, leaks="keep"))
    assert corpus.dropped["leak"] == 2
    assert {(leak.side, leak.held_out) for leak in corpus.leaks} == {
        ("source", "test.tsv:2"), ("target", "test.tsv:3"),
    }  # fmt: skip
    assert len(kept.train) == len(corpus.train) + 2
    assert corpus.test_fingerprint == kept.test_fingerprint
    assert kept.leaks == ()


def test_leaks_can_be_an_error_that_names_the_first(here):
    with pytest.raises(UserError, match=r"^data\.leaks: 2 training pairs repeat a dev or test"):
        load(leaky(here, leaks="error"))
