from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtsweep.config import DataConfig
from mtsweep.data import load
from mtsweep.data.pairs import Corpus, Pair, Pool, fold
from mtsweep.data.split import split
from mtsweep.errors import UserError


def pair(number: int, key: str | None = None) -> Pair:
    source = f"source {number}"
    return Pair(f"id-{number}", source, f"target {number}", "here", key or fold(source))


@st.composite
def pools(draw, most: int = 3) -> Pool:
    """Twenty to thirty keys, with up to ``most`` pairs each."""
    counts = draw(st.lists(st.integers(1, most), min_size=20, max_size=30))
    keys = [str(key) for key, count in enumerate(counts) for _ in range(count)]
    return Pool(tuple(pair(number, key) for number, key in enumerate(keys)))


sizes = st.one_of(st.integers(1, 5), st.floats(0.01, 0.15))
seeds = st.integers(0, 100)
quick = settings(max_examples=25, deadline=None)


def keys_of(pairs: tuple[Pair, ...]) -> set[str]:
    return {each.split_key for each in pairs}


@quick
@given(pools(), sizes, sizes, seeds)
def test_every_pair_is_in_exactly_one_part(pool, test_size, dev_size, seed):
    parts = split(pool, test_size, dev_size, seed)
    assert Counter(each for part in parts for each in part) == Counter(pool.train)
    assert all(parts)


@quick
@given(pools(), sizes, sizes, seeds)
def test_one_key_is_never_on_two_sides(pool, test_size, dev_size, seed):
    train, dev, test = (keys_of(part) for part in split(pool, test_size, dev_size, seed))
    assert not train & dev
    assert not train & test
    assert not dev & test


@quick
@given(pools(), st.randoms(use_true_random=False), seeds)
def test_the_order_of_the_file_does_not_move_a_pair_to_another_part(pool, random, seed):
    shuffled = list(pool.train)
    random.shuffle(shuffled)
    for one, other in zip(
        split(pool, 5, 0.1, seed), split(Pool(tuple(shuffled)), 5, 0.1, seed), strict=True
    ):
        assert set(one) == set(other)


@quick
@given(pools(), st.randoms(use_true_random=False), seeds)
def test_the_order_of_the_file_does_not_change_the_order_of_a_part(pool, random, seed):
    # A smaller data.size is a prefix of train, so its order says which pairs are trained on.
    shuffled = list(pool.train)
    random.shuffle(shuffled)
    assert split(pool, 5, 5, seed) == split(Pool(tuple(shuffled)), 5, 5, seed)


@quick
@given(pools(most=1), st.integers(1, 5), st.integers(1, 5), seeds)
def test_a_count_is_met_exactly_where_keys_are_distinct(pool, test_size, dev_size, seed):
    train, dev, test = split(pool, test_size, dev_size, seed)
    assert (len(test), len(dev)) == (test_size, dev_size)
    assert len(train) == len(pool.train) - test_size - dev_size


@pytest.mark.parametrize(("share", "count"), [(0.1, 10), (0.25, 25), (0.001, 1), (0.014, 1)])
def test_a_share_is_of_all_pairs_and_at_least_one(share, count):
    pool = Pool(tuple(pair(number) for number in range(100)))
    _, dev, test = split(pool, share, 5, seed=13)
    assert (len(test), len(dev)) == (count, 5)


@pytest.mark.parametrize(("pairs", "held_out"), [(5, 1), (100, 10), (30_000, 2000)])
def test_without_a_size_a_tenth_is_held_out_and_no_more_than_can_be_translated(pairs, held_out):
    pool = Pool(tuple(pair(number) for number in range(pairs)))
    train, dev, test = split(pool, None, None, seed=13)
    assert (len(train), len(dev), len(test)) == (pairs - 2 * held_out, held_out, held_out)


def test_another_seed_gives_another_split():
    pool = Pool(tuple(pair(number) for number in range(100)))
    assert split(pool, 10, 10, 13)[2] != split(pool, 10, 10, 14)[2]


def test_parts_that_come_along_are_kept_and_never_trained_on():
    train = tuple(pair(number) for number in range(20))
    dev, test = (pair(3), pair(30), pair(31)), (pair(4), pair(31))
    found, found_dev, found_test = split(Pool(train, dev, test), 5, 5, 13)
    assert found_test == test
    assert found_dev == (pair(3), pair(30))
    assert set(found) == set(train) - {pair(3), pair(4)}


@pytest.mark.parametrize(("test_size", "dev_size"), [(20, 5), (15, 5), (0.9, 0.2), (100, 1)])
def test_a_split_that_leaves_nothing_is_refused_with_the_keys(test_size, dev_size):
    pool = Pool(tuple(pair(number) for number in range(20)))
    with pytest.raises(UserError, match=r"20 pairs cannot .* data\.test_size .* data\.dev_size"):
        split(pool, test_size, dev_size, 13)


def phrasebook(**changes) -> DataConfig:
    told = {"name": "phrasebook", "source": "phrasebook"}
    return DataConfig(**{**told, "source_lang": "eng_Latn", "target_lang": "spa_Latn", **changes})


def test_sizes_are_nested_and_share_dev_and_test():
    small, large, whole = (load(phrasebook(size=size)) for size in (50, 100, None))
    assert (len(small.train), len(large.train)) == (50, 100)
    assert small.train == large.train[:50]
    assert large.train == whole.train[:100]
    assert small.test == whole.test
    assert small.dev == whole.dev
    assert small.available == whole.available == len(whole.train)


def test_the_held_out_sentences_are_the_same_in_every_language():
    spanish, tamil = load(phrasebook()), load(phrasebook(target_lang="tam_Taml"))
    reverse = load(phrasebook(source_lang="deu_Latn", target_lang="eng_Latn"))
    ids = [[each.id for each in corpus.test] for corpus in (spanish, tamil, reverse)]
    assert ids[0] == ids[1] == ids[2]
    assert len(ids[0]) == 100


def test_a_size_beyond_the_data_is_refused_with_what_there_is():
    there = load(phrasebook()).available
    with pytest.raises(UserError, match=rf"data\.size: 5000 pairs asked for, {there} there"):
        load(phrasebook(size=5000))


DEV, TEST = (pair(90),), (pair(91),)


def corpus(train: tuple[Pair, ...], dev=DEV, test=TEST) -> Corpus:
    return Corpus("eng_Latn", "spa_Latn", train, dev, test, len(train), train, {})


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
rows = st.lists(st.tuples(texts, texts), min_size=1, max_size=5)


def made(told: list[tuple[str, str]], origin: str = "here") -> tuple[Pair, ...]:
    return tuple(Pair(f"{origin}:{n}", s, t, origin, s) for n, (s, t) in enumerate(told))


@quick
@given(rows, rows)
def test_a_fingerprint_tells_content_and_order_apart(one, other):
    same = corpus(made(one)).fingerprint == corpus(made(other)).fingerprint
    assert same == (one == other)


@quick
@given(rows)
def test_a_fingerprint_does_not_know_ids_and_origin(told):
    here, there = corpus(made(told, "here")), corpus(made(told, "there"))
    assert here.fingerprint == there.fingerprint


def test_a_fingerprint_knows_where_texts_and_parts_end():
    ab, a_b = made([("ab", "c")]), made([("a", "bc")])
    assert corpus(ab).fingerprint != corpus(a_b).fingerprint
    one, two = pair(1), pair(2)
    assert corpus((one, two), ()).fingerprint != corpus((one,), (two,)).fingerprint


def test_a_test_fingerprint_knows_the_test_rows_alone():
    assert corpus((pair(1),)).test_fingerprint == corpus((pair(2),)).test_fingerprint
    changed = corpus((pair(1),), test=(pair(92),))
    assert changed.test_fingerprint != corpus((pair(1),)).test_fingerprint


@given(st.text())
def test_folding_ignores_case_and_white_space_and_is_done_once(text):
    assert fold(fold(text)) == fold(text)
    assert fold(f"  {text}\n") == fold(text)
    assert fold("Straße  ZWEI") == fold("STRASSE zwei")
