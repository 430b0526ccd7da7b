import csv
import io
import math

import numpy as np
import pytest

from mtsweep.errors import UserError
from mtsweep.evaluation.human import Output, alpha, as_csv, evaluate, read, sheet, sign_test

N = math.nan
KRIPPENDORFF_2011 = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
        [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
    ]
)
"""Example C of "Computing Krippendorff's Alpha-Reliability": four observers, twelve units."""


@pytest.mark.parametrize(
    ("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_alpha_is_the_published_one(level, published):
    assert alpha(KRIPPENDORFF_2011, level) == pytest.approx(published, abs=5e-4)


def test_alpha_needs_two_raters_of_an_item():
    assert alpha(np.array([[1.0, N], [N, 2.0]]), "nominal") is None
    assert alpha(np.array([[1.0, 2.0], [1.0, 2.0]]), "ordinal") == 1.0


def test_the_sign_test_is_the_exact_binomial_one():
    assert sign_test(0, 0) == 1.0
    assert sign_test(5, 5) == 1.0
    assert sign_test(9, 1) == pytest.approx(0.021484375)  # 2 * (1 + 10) / 1024
    assert sign_test(1, 9) == sign_test(9, 1)


def outputs(count: int = 8) -> dict[str, list[Output]]:
    return {
        run: [Output(run, f"s{i}", f"source {i}", f"ref {i}", f"{run}{i}") for i in range(count)]
        for run in ("good", "bad")
    }


LABELS = {"good": "lora.r=16", "bad": "lora.r=8"}


def test_a_sheet_is_blind_whole_and_shuffled():
    lines, key = sheet(outputs(), LABELS, "scores", 1)
    text = as_csv(lines, "scores")
    assert "lora" not in text
    assert len(lines) == 16
    assert [
        key.items[line["item"]].runs[0] + key.items[line["item"]].segment[1:] for line in lines
    ] == [line["output"] for line in lines]
    assert [line["output"] for line in lines] != [o.text for own in outputs().values() for o in own]
    assert sheet(outputs(), LABELS, "scores", 1) == (lines, key)


def filled(lines, kind, rate) -> str:
    rated = [{**line, **rate(line)} for line in lines]
    return as_csv(rated, kind)


def test_the_better_run_has_the_better_mean_and_an_interval():
    lines, key = sheet(outputs(), LABELS, "scores", 1)

    def rate(line):
        return {
            "adequacy": "5" if line["output"].startswith("good") else "2",
            "fluency": "3",
        }

    own = read(filled(lines, "scores", rate), key, "a.csv")
    result = evaluate(key, {"ann": own, "bob": own})
    means = {(mean.run, mean.scale): mean for mean in result.means}
    assert (means["good", "adequacy"].value, means["bad", "adequacy"].value) == (5.0, 2.0)
    assert means["good", "adequacy"].ratings == 16
    assert means["good", "fluency"].low == means["good", "fluency"].high == 3.0
    assert result.alpha["adequacy"] == 1.0
    assert result.segments == 8


def test_preferences_are_undone_whichever_side_a_run_stood_on():
    lines, key = sheet(outputs(), LABELS, "pairs", 3)
    assert len({line["A"][:3] for line in lines}) == 2  # both stand on either side

    def rate(line):
        return {"preference": "A" if line["A"].startswith("good") else "b"}

    result = evaluate(key, {"ann": read(filled(lines, "pairs", rate), key, "a.csv")})
    assert result.preference is not None
    assert (result.preference.first_better, result.preference.second_better) == (8, 0)
    assert result.preference.p == pytest.approx(2 / 2**8)
    assert result.alpha == {"preference": None}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("item,adequacy\n1,3\n", "no column fluency"),
        ("item,adequacy,fluency\n1,6,3\n", "a.csv, line 2, adequacy: '6' is none of 1 2 3 4 5"),
        ("item,adequacy,fluency\n99,3,3\n", "item '99' is not in this sheet's key"),
        ("item,adequacy,fluency\n1,3,3\n1,4,4\n", "item 1 is rated twice"),
        ("item,adequacy,fluency\n1,,\n", "no line is rated"),
    ],
)
def test_what_is_no_rating_is_told_with_its_line(text, complaint):
    _, key = sheet(outputs(), LABELS, "scores", 1)
    with pytest.raises(UserError, match=complaint):
        read(text, key, "a.csv")


def test_pairs_are_of_two_runs():
    with pytest.raises(UserError, match="compares two runs, not 1"):
        sheet({"good": outputs()["good"]}, LABELS, "pairs", 1)


def test_no_text_of_a_sheet_is_a_formula():
    made = {"a": [Output("a", "s", "=1+1", "@x", "-2")]}
    lines, _ = sheet(made, {"a": "a"}, "scores", 1)
    (line,) = csv.DictReader(io.StringIO(as_csv(lines, "scores")))
    assert [line[name][0] for name in ("source", "reference", "output")] == [" "] * 3
