"""What is said of a search afterwards: the dev set ranks its trials, the test set judges one."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from mtsweep import cli
from mtsweep.compare.gather import gather
from mtsweep.compare.searched import Ranked, Searched, searched
from mtsweep.errors import UserError
from mtsweep.report import write_report
from mtsweep.serve import resolve
from tests.compare.test_compare import put, sweep

BASE, BEST_BY_DEV, BEST_BY_TEST, OTHER = ("b" * 12, "1" * 12, "2" * 12, "3" * 12)

FOUND = Searched(
    "chrf",
    (BEST_BY_DEV,),
    (
        Ranked("lora.r=8", "finished", 41.5, "", (BEST_BY_DEV,)),
        Ranked("lora.r=16", "finished", 40.25, "", (BEST_BY_TEST,)),
        Ranked("lora.r=32", "pruned", None, "at step 4, dev chrF 9.1", (OTHER,)),
        Ranked("lora.r=64", "failed", None, "out of memory"),
    ),
)


def tell(output, search):
    path = output / "sweeps" / "found" / "sweep.yaml"
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**told, "search": search}), encoding="utf-8")


@pytest.fixture
def output(tmp_path):
    """A search whose dev set chose another trial than the test set would have."""
    put(tmp_path, BASE, 0.9, seed=9, kind="base")
    put(tmp_path, BEST_BY_DEV, 0.5, {"lora.r": 8}, seed=1)
    put(tmp_path, BEST_BY_TEST, 0.3, {"lora.r": 16}, seed=2)
    sweep(tmp_path, "found", [BEST_BY_DEV, BEST_BY_TEST], base=BASE)
    tell(tmp_path, FOUND.kept())
    return tmp_path


def test_what_is_kept_of_a_search_is_read_as_it_was(output):
    told = {"search": json.loads(json.dumps(FOUND.kept()))}
    assert searched(output, told) == FOUND
    assert searched(output, {}) is None


def test_compare_ranks_trials_by_the_dev_set_and_judges_the_chosen_one_by_the_test_set(
    output, capsys
):
    assert cli.run(["compare", "found", f"--output-dir={output}", "--format=json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["key"] for row in rows] == [BASE, BEST_BY_DEV]
    assert cli.run(["compare", "found", f"--output-dir={output}"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[:5] == [
        ["trial", "dev", "chrF"],
        ["lora.r=8", "41.5", "chosen"],
        ["lora.r=16", "40.2", "finished"],
        ["lora.r=32", *["pruned:", "at", "step", "4,", "dev", "chrF", "9.1"]],
        ["lora.r=64", *["failed:", "out", "of", "memory"]],
    ]


def test_runs_of_a_search_that_are_named_are_compared_as_they_are(output, capsys):
    named = [str(output / "runs" / each) for each in (BASE, BEST_BY_DEV, BEST_BY_TEST)]
    assert cli.run(["compare", *named, "--format=json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 3
    found, _ = gather(["found"], output, whole=True)
    assert [record.id for _, record in found] == [BASE, BEST_BY_DEV, BEST_BY_TEST]


def test_the_best_of_a_search_is_what_its_dev_set_chose(output):
    folder, _ = resolve.find("found", output)
    assert folder.id == BEST_BY_DEV
    tell(output, None)
    folder, _ = resolve.find("found", output)
    assert folder.id == BEST_BY_TEST, "of a sweep the test set's, as its table shows"


def test_a_report_tells_test_scores_of_the_chosen_trial_alone(output):
    folder = output / "sweeps" / "found"
    ids = (BASE, "base"), (BEST_BY_DEV, "run"), (BEST_BY_TEST, "run")
    rows = "".join(f"{each[0]},{each},{kind},finished\n" for each, kind in ids)
    (folder / "table.csv").write_text(f"run,id,kind,state\n{rows}", encoding="utf-8")
    write_report(folder)
    text = (folder / "report.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"## Scores\n\n.*?\n\n", text, re.DOTALL)
    _, _, base, chosen, other = table.strip().splitlines()[2:]
    assert re.match(r"\| b \| \d+\.\d ±", base)
    assert re.match(r"\| 1 \| \d+\.\d ±", chosen)
    assert other == "| 2 | | | | | not chosen: dev chrF 40.2 |"


@pytest.mark.parametrize(
    ("search", "complaint"),
    [
        ({}, "has not come to its end; to go on: python -m mtsweep"),
        ({"metric": "chrf", "chosen": [], "trials": []}, "no trial of this search has finished"),
    ],
)
def test_a_search_without_a_choice_is_not_judged(search, complaint, output):
    tell(output, search)
    with pytest.raises(UserError, match=complaint):
        gather(["found"], output)
