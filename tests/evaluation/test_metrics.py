"""Scores against sacreBLEU's own command line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from mtsweep.evaluation.metrics import score

REFERENCES = [
    "El tren sale a las nueve.",
    "¿Dónde está la estación?",
    "No me gusta la lluvia.",
    "Mañana será otro día.",
]
HYPOTHESES = ["El tren sale a nueve.", "¿Dónde está la estación?", "No gusta.", "Otro día será."]


@pytest.mark.parametrize("metric", ["bleu", "chrf"])
def test_a_score_and_its_signature_are_those_of_sacrebleus_command(tmp_path, metric):
    (tmp_path / "ref").write_text("\n".join(REFERENCES) + "\n", encoding="utf-8")
    (tmp_path / "hyp").write_text("\n".join(HYPOTHESES) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "sacrebleu", "ref", "-i", "hyp", "-m", metric, "-w", "6"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    golden = json.loads(told.stdout)
    ours = score(HYPOTHESES, REFERENCES, "spa_Latn", [metric])[metric]
    assert ours.value == pytest.approx(golden["score"], abs=1e-6)
    assert ours.signature == golden["signature"]


def test_an_interval_holds_the_score_and_narrows_with_more_segments():
    few = score(HYPOTHESES, REFERENCES, "spa_Latn", ["chrf"])["chrf"]
    many = score(HYPOTHESES * 25, REFERENCES * 25, "spa_Latn", ["chrf"])["chrf"]
    assert few.low < few.value < few.high
    assert many.high - many.low < (few.high - few.low) / 2
    assert many.segments == 100


def test_scores_of_nothing_right_have_an_interval_too():
    scores = score(["x", ""], ["uno dos", "tres cuatro"], "spa_Latn", ["bleu", "chrf"])
    assert [each.value for each in scores.values()] == [0.0, 0.0]
    assert [each.high for each in scores.values()] == [0.0, 0.0]


def test_lists_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="2 hypotheses for 1 references"):
        score(["a", "b"], ["a"], "spa_Latn", ["chrf"])


def test_chinese_is_cut_into_characters_for_bleu():
    made = score(["今天天气好"], ["今天天气很好"], "zho_Hans", ["bleu"])["bleu"]
    assert "tok:zh" in made.signature


def test_newlines_in_a_hypothesis_do_not_shift_the_others():
    broken = [HYPOTHESES[0] + "\n\nIn Spanish, this", *HYPOTHESES[1:]]
    values = score(broken, REFERENCES, "spa_Latn", ["chrf"])["chrf"]
    assert values.segments == 4
    assert 0 < values.value < score(HYPOTHESES, REFERENCES, "spa_Latn", ["chrf"])["chrf"].value
