import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtsweep import plan as plans
from mtsweep.config import DataConfig
from mtsweep.data import load
from mtsweep.data.mix import mixed
from mtsweep.data.pairs import Pair
from mtsweep.errors import ConfigError, UserError
from tests.overrides import composed

MIX = (
    {"source": "phrasebook", "name": "medical", "domains": ("health", "dental")},
    {"source": "phrasebook", "name": "legal", "domains": ("legal",)},
)


def config(**changes) -> DataConfig:
    told = {"name": "mix", "source": "combined", "source_lang": "eng_Latn", "mix": MIX}
    told |= {"target_lang": "spa_Latn", "test_size": 20, "dev_size": 5}
    return DataConfig(**{**told, **changes})


def origins(pairs) -> dict[str, int]:
    names = [pair.origin for pair in pairs]
    return {name: names.count(name) for name in dict.fromkeys(sorted(names))}


def test_every_part_of_a_mix_is_trained_on_and_tested_by_itself():
    corpus = load(config())
    assert origins(corpus.test) == {"legal": 20, "medical": 20}
    assert origins(corpus.train) == {"legal": 157, "medical": 339}
    assert not {pair.source for pair in corpus.train} & {pair.source for pair in corpus.test}


def test_shares_take_what_the_scarcest_part_allows():
    shares = [{**part, "share": share} for part, share in zip(MIX, (0.25, 0.75), strict=True)]
    assert origins(load(config(mix=shares)).train) == {"legal": 157, "medical": 52}


def test_sizes_of_a_mix_are_nested():
    small, large = (load(config(size=size)).train for size in (50, 200))
    assert large[:50] == small
    assert len(origins(small)) == 2


@pytest.mark.parametrize(
    ("overrides", "key", "complaint"),
    [
        (["data=combined", "data.mix=[{source: gettext}]"], "data.mix.0.package", "must be given"),
        (
            ["data=combined", "data.mix=[{source: phrasebook, share: 0.4}]"],
            "data.mix",
            "shares are given to every part or to none, and sum to 1, not 0.4",
        ),
        (["data=combined"], "data.mix", "must be given: data.mix="),
        (["data.synthetic_share=0.5"], "data.synthetic_file", "data.synthetic_share needs it"),
        (["data.form=chat"], "data.form", "phrasebook holds pairs"),
    ],
)
def test_what_is_wrong_with_a_mix_is_told_by_its_key(here, overrides, key, complaint):
    with pytest.raises(ConfigError) as caught:
        composed(*overrides)
    (problem,) = caught.value.problems
    assert problem.key == key
    assert problem.complaint.startswith(complaint)


def synthetic(folder, rows):
    folder.mkdir(exist_ok=True)
    lines = [json.dumps({"source": s, "target": t, "topic": "travel"}) for s, t in rows]
    (folder / "pairs.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def plain(folder, **changes):
    told = {"name": "phrasebook", "source": "phrasebook", "source_lang": "eng_Latn"}
    told |= {"target_lang": "spa_Latn", "synthetic_file": str(folder)}
    return DataConfig(**{**told, **changes})


def test_synthetic_pairs_that_repeat_a_held_out_text_are_left_out(here):
    held = load(plain(None, synthetic_file=None)).test[0]
    rows = [(f"made {n}", f"hecho {n}") for n in range(30)]
    rows += [(held.source.upper(), "otra"), ("other", held.target)]
    corpus = load(plain(synthetic(here / "made", rows)))
    assert corpus.synthetic == 30
    assert corpus.dropped["synthetic: also in test or dev"] == 2


def test_a_share_of_synthetic_pairs_is_an_axis_over_the_same_test_set(here):
    folder = synthetic(here / "made", [(f"made {n}", f"hecho {n}") for n in range(300)])
    shares = (0, 0.25, 0.5, 1)
    corpora = [load(plain(folder, size=200, synthetic_share=share)) for share in shares]
    assert [corpus.synthetic for corpus in corpora] == [0, 50, 100, 200]
    assert len({corpus.test_fingerprint for corpus in corpora}) == 1
    assert {len(corpus.train) for corpus in corpora} == {200}


def test_a_share_comes_beside_as_many_real_pairs_as_asked_for(here):
    folder = synthetic(here / "made", [(f"made {n}", f"hecho {n}") for n in range(300)])
    shares = (0, 0.25, 0.5, None, 1)
    corpora = [
        load(plain(folder, size=150, size_counts="real", synthetic_share=share)) for share in shares
    ]
    assert [corpus.synthetic for corpus in corpora] == [0, 50, 150, 300, 300]
    assert [len(corpus.train) - corpus.synthetic for corpus in corpora] == [150, 150, 150, 150, 0]
    for few, many in itertools.pairwise(corpora[:4]):
        assert set(few.train) < set(many.train)
    assert len({corpus.test_fingerprint for corpus in corpora}) == 1


def test_base_real_synthetic_and_combined_share_a_base_row(here):
    synthetic(here / "made", [(f"made {n}", f"hecho {n}") for n in range(300)])
    keys = ["model=tiny_causal", "data.size=200"]
    real = composed(*keys)
    arms = composed("-m", *keys, "data.synthetic_file=made", "data.synthetic_share=0,0.5,1")
    plan = plans.make([*real, *arms])
    assert len({run.base_id for run in plan.runs}) == 1
    assert len(plan.runs) == 3  # no synthetic pairs is the real run
    assert plan.duplicates == 1


def test_more_than_there_is_is_told(here):
    folder = synthetic(here / "made", [("a b", "c d")])
    with pytest.raises(UserError, match=r"data\.synthetic_share: it takes 100 synthetic pairs"):
        load(plain(folder, size=200, synthetic_share=0.5))
    with pytest.raises(UserError, match=r"does not exist; `python -m mtsweep synthesize`"):
        load(plain(here / "nowhere"))


PAIR = [Pair(str(n), f"s{n}", f"t{n}", "x", f"s{n}") for n in range(40)]


@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([None, 0.0, 0.2, 0.5, 0.9, 1.0]))
def test_a_smaller_size_is_inside_a_larger_one_whatever_the_share(one, other, share):
    small, large = sorted((one, other))
    few, many = (mixed(PAIR[:20], PAIR[20:], share, size)[0] for size in (small, large))
    assert len(few) == small
    assert set(few) <= set(many)


def test_leaks_as_an_error_see_synthetic_pairs_that_repeat_a_held_out_text(here):
    held = load(plain(None, synthetic_file=None)).test[0]
    rows = [(f"made {n}", f"hecho {n}") for n in range(30)]
    folder = synthetic(here / "made", [*rows, (held.source.upper(), "otra")])
    with pytest.raises(
        UserError, match=r"^data\.leaks: 1 synthetic pairs repeat .*pairs\.jsonl:31"
    ):
        load(plain(folder, leaks="error"))
