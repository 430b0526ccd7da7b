"""The formulas for arrays, held against sacreBLEU's own."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtsweep.errors import UserError
from mtsweep.evaluation import segments
from mtsweep.measures.counters import sacre_metric

TEXTS = st.lists(
    st.tuples(*[st.text("abc வணக்கம்.,", max_size=24)] * 2), min_size=1, max_size=6
).filter(lambda pairs: any(reference.strip() for _, reference in pairs))


@pytest.mark.parametrize("name", ["bleu", "chrf", "chrf++", "ter"])
@given(pairs=TEXTS)
def test_a_corpus_score_is_sacrebleus(name, pairs):
    said, wanted = map(list, zip(*pairs, strict=True))
    golden = sacre_metric(name, "tam_Taml").corpus_score(said, [wanted]).score
    sums = segments.counted(name, said, wanted, "tam_Taml").sum(axis=0)
    assert float(segments.corpus(name, sums)) == pytest.approx(golden, abs=1e-9)


@pytest.mark.parametrize("name", ["bleu", "chrf"])
def test_identical_texts_score_100(name):
    texts = ["El tren sale a las nueve.", "¿Dónde está la estación?"]
    sums = segments.counted(name, texts, texts, "spa_Latn").sum(axis=0)
    assert float(segments.corpus(name, sums)) == pytest.approx(100)


def test_lists_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="2 hypotheses for 1 references"):
        segments.counted("chrf", ["a", "b"], ["a"], "spa_Latn")


def test_statistics_are_counted_once_and_kept_without_pickle(tmp_path):
    (tmp_path / "predictions").mkdir()
    path = tmp_path / "predictions/test.jsonl"
    path.write_text(json.dumps({"hypothesis": "uno dos", "reference": "uno tres"}) + "\n")
    first = segments.of_run(tmp_path, ["chrf"], "spa_Latn", "test")
    path.unlink()
    again = segments.of_run(tmp_path, ["chrf"], "spa_Latn", "test")
    assert np.array_equal(first.statistics["chrf"], again.statistics["chrf"])
    with np.load(tmp_path / "segments/test.npz", allow_pickle=False) as stored:
        assert "nc:6" in json.loads(str(stored["signatures"]))["chrf"]


def test_cut_off_statistics_are_counted_again(tmp_path):
    (tmp_path / "predictions").mkdir()
    row = json.dumps({"hypothesis": "uno dos", "reference": "uno tres"})
    (tmp_path / "predictions/test.jsonl").write_text(row + "\n")
    (tmp_path / "segments").mkdir()
    (tmp_path / "segments/test.npz").write_bytes(b"PK\x03\x04 cut")
    assert segments.of_run(tmp_path, ["bleu"], "spa_Latn", "test").statistics["bleu"].shape == (
        1,
        10,
    )


def test_predictions_that_are_gone_are_named(tmp_path):
    with pytest.raises(UserError, match=r"test\.jsonl: no whole predictions"):
        segments.of_run(tmp_path, ["bleu"], "spa_Latn", "test")
