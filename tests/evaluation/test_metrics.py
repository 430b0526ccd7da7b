"""Scores against sacreBLEU's own command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from mtsweep.evaluation import significance
from mtsweep.evaluation.metrics import score
from mtsweep.evaluation.segments import counted

REFERENCES = [
    "El tren sale a las nueve.",
    "¿Dónde está la estación?",
    "No me gusta la lluvia.",
    "Mañana será otro día.",
]
HYPOTHESES = ["El tren sale a nueve.", "¿Dónde está la estación?", "No gusta.", "Otro día será."]


MANY = [f"{text} {place}" for place in range(12) for text in REFERENCES]
THREE = ["bleu", "chrf", "ter"]


def sacrebleu(folder, files, *options):
    """What sacreBLEU's command line prints for files of texts, the first the reference."""
    for name, texts in files.items():
        (folder / name).write_text("\n".join(texts) + "\n", encoding="utf-8")
    reference, *systems = files
    command = [sys.executable, "-m", "sacrebleu", reference, "-i", *systems, *options]
    environment = {key: value for key, value in os.environ.items() if key != "SACREBLEU_SEED"}
    told = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True, env=environment
    )
    return told.stdout


@pytest.mark.parametrize(
    ("names", "options"),
    [(THREE, ["-m", *THREE]), (["chrf++"], ["-m", "chrf", "--chrf-word-order", "2"])],
)
def test_scores_and_signatures_are_those_of_sacrebleus_command(tmp_path, names, options):
    told = sacrebleu(tmp_path, {"ref": REFERENCES, "hyp": HYPOTHESES}, *options, "-w", "6")
    golden = json.loads(told)
    golden = golden if isinstance(golden, list) else [golden]
    ours = score(HYPOTHESES, REFERENCES, "spa_Latn", names)
    for name, wanted in zip(names, golden, strict=True):
        assert ours[name].value == pytest.approx(wanted["score"], abs=1e-6)
        assert ours[name].signature == wanted["signature"]
        assert ours[name].direction == ("lower" if name == "ter" else "higher")


@pytest.mark.parametrize("kind", ["bs", "ar"])
def test_p_values_are_those_of_sacrebleus_command(tmp_path, kind):
    good = [text.replace("o", "a") if place % 3 else text for place, text in enumerate(MANY)]
    bad = [text.replace("a", "o") if place % 4 else text for place, text in enumerate(MANY)]
    told = sacrebleu(
        tmp_path,
        {"ref": MANY, "good": good, "bad": bad},
        *["-m", *THREE, f"--paired-{kind}", f"--paired-{kind}-n", "300", "--format", "text"],
    )
    wanted = [float(each) for each in re.findall(r"p = ([\d.]+)", told)]
    assert len(wanted) == 3
    for name, p_value in zip(THREE, wanted, strict=True):
        statistics = [counted(name, texts, MANY, "spa_Latn") for texts in (good, bad)]
        if kind == "bs":
            drawn = significance.resampled(statistics, name, 300)
            values = significance.whole(statistics, name)
            ours = significance.paired_bootstrap(drawn[0], drawn[1], values[0] - values[1])
        else:
            (ours,) = significance.randomised(statistics, name, [(0, 1)], 300)
        assert ours == pytest.approx(p_value, abs=1e-4)


def test_an_interval_holds_the_score_and_narrows_with_more_segments():
    few = score(HYPOTHESES, REFERENCES, "spa_Latn", ["chrf"])["chrf"]
    many = score(HYPOTHESES * 25, REFERENCES * 25, "spa_Latn", ["chrf"])["chrf"]
    assert few.low is not None
    assert few.high is not None
    assert few.low < few.value < few.high
    assert many.low is not None
    assert many.high is not None
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
