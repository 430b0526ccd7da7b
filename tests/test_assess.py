"""Further test sets, parts, probes and samples, through runs of a small model."""

from __future__ import annotations

import json

import pytest

from mtsweep.errors import UserError
from mtsweep.evaluation.segments import kept
from mtsweep.plan import make
from mtsweep.record import records
from tests.inprocess import outcomes, work
from tests.overrides import composed, refused

TINY = ["model=tiny_causal", "trainer=smoke", "data.test_size=12", "data.dev_size=4",
        "data.size=12", "lora.r=2", "tracking=none", "decoding.max_new_tokens=8"]  # fmt: skip
LEGAL = "evaluation.also.legal.domains=[legal]"


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_run_carries_further_test_sets_scored_before_and_after(here):
    command = [*TINY, "data.domains=[dental,food]", LEGAL,
               "+data@evaluation.also.general=phrasebook",
               "evaluation.also.general.test_size=5"]  # fmt: skip
    assert outcomes(work(*command)) == ["finished"]
    found = {record.kind: (folder, record) for folder, record in records(here / "runs")}
    folder, run = found["run"]
    base = found["base"][1]
    assert set(run.also) == set(base.also) == {"legal", "general"}
    assert run.base_also == base.also
    assert run.base_id == base.id
    assert run.also["legal"]["chrf"].segments == 12
    assert run.also["general"]["chrf"].segments == 5
    assert run.data["also"]["legal"] == {"segments": 12, "in_training": 0}
    for name in ("test", "legal", "general", "probes"):
        assert lines(folder.path / "predictions" / f"{name}.jsonl")
    counted = kept(folder.path, "legal")
    assert counted.statistics["chrf"].shape == (12, 18)
    assert counted.scores()["chrf"] == run.also["legal"]["chrf"]
    assert {row["origin"] for row in lines(folder.path / "predictions" / "legal.jsonl")} == {
        "legal"
    }
    # Parts of a test set that holds two domains.
    assert set(run.parts) == {"dental", "food"} == set(run.base_parts)
    assert sum(part["bleu"].segments for part in run.parts.values()) == 12
    # Samples: the questions first, base and tuned side by side; and the pictures.
    told = (folder.path / "samples.md").read_text(encoding="utf-8")
    assert told.index("## probe:1") < told.index("## probe:4") < told.index("## dental-")
    assert "| go on behind the answer |" in told
    for picture in ("loss.png", "learning_rate.png"):
        assert (folder.path / picture).read_bytes().startswith(b"\x89PNG")


def test_further_test_sets_name_the_scoring_and_not_the_training(here):
    plain, also, probed = (
        make(composed(*TINY, *more)).runs[0]
        for more in ([], [LEGAL], ["evaluation.probes=['Hello?']"])
    )
    assert plain.train_id == also.train_id == probed.train_id
    assert len({plain.id, also.id, probed.id}) == 3
    assert len({plain.base_id, also.base_id}) == 2
    assert also.also["legal"].train == ()


@pytest.mark.parametrize(
    ("override", "key", "complaint"),
    [
        ("evaluation.also.legal.domain=[legal]", "evaluation.also.legal.domain", "data.domains?"),
        ("evaluation.also.test.domains=[legal]", "evaluation.also.test", "cannot be the name"),
        ("evaluation.also.x.source=gettext", "evaluation.also.x.package", "must be given"),
    ],
)
def test_a_wrong_test_set_is_told_with_its_key(override, key, complaint):
    (problem,) = refused(*TINY, override).problems
    assert problem.key == key
    assert complaint in problem.complaint


def test_a_test_set_that_is_not_there_is_told_with_its_key(here):
    with pytest.raises(UserError, match=r"evaluation\.also\.x\.domains: .* no 'lgal'"):
        make(composed(*TINY, "evaluation.also.x.domains=[lgal]"))
