"""A sweep as a workspace and a report of W&B: what is built, and what a server is told."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from mtsweep import cli, dashboard
from mtsweep.config import WandbConfig
from mtsweep.errors import MtsweepError
from mtsweep.record import RunFolder
from mtsweep.report import entries
from tests.report.sweeps import small
from tests.standins.wandb_server import talked_to

BASE, *RUNS = (f"{number:012x}" for number in range(3))


@pytest.fixture
def place(here):
    return small(here)


@pytest.fixture
def built(place):
    return dashboard.specification(dashboard.subject(entries.read(place)))


def sections(built: dict) -> dict[str, list[dict]]:
    told = built["workspace"]["spec"]["section"]["panelBankConfig"]["sections"]
    return {each["name"]: each["panels"] for each in told}


def grids(built: dict) -> dict[str, dict]:
    """Headings of the report to the grid of panels below each."""
    blocks = built["report"]["spec"]["blocks"]
    return {
        blocks[place - 1]["children"][0]["text"]: block["metadata"]
        for place, block in enumerate(blocks)
        if block["type"] == "panel-grid"
    }


def drawn(panels: list[dict]) -> list[list[str]]:
    return [panel["config"].get("metrics", []) for panel in panels]


TITLES = ["Scores", "Comparison", "Settings", "Training", "Behaviour", "Cost", "Samples"]


def test_workspace_and_report_have_the_same_panels_under_the_same_titles(built):
    assert list(sections(built)) == TITLES
    assert list(grids(built)) == TITLES
    for title, panels in sections(built).items():
        there = grids(built)[title]["panelBankSectionConfig"]["panels"]
        assert [each["config"] for each in there] == [each["config"] for each in panels]
        assert panels


def test_scores_stand_beside_the_untouched_model_and_the_leading_metric_first(built):
    assert drawn(sections(built)["Scores"]) == [
        ["summary_metrics.chrf", "summary_metrics.base_chrf"],
        ["summary_metrics.bleu", "summary_metrics.base_bleu"],
    ]


def test_curves_are_over_optimiser_steps(built):
    panels = sections(built)["Training"]
    wanted = ["loss", "eval_loss", "learning_rate", "dev_chrf", "dev_bleu"]
    assert drawn(panels) == [[name] for name in wanted]
    assert {panel["config"]["xAxis"] for panel in panels} == {"step"}


def test_behaviour_and_cost_have_a_panel_a_figure_that_a_record_has(built, place):
    told = [name for [name] in drawn(sections(built)["Behaviour"])]
    assert told == [f"summary_metrics.{n}" for n in ("stopped", "repeated_4grams", "length_ratio")]
    *bars, scatter = sections(built)["Cost"]
    assert ["summary_metrics.peak_memory_bytes"] in drawn(bars)
    assert scatter["viewType"] == "Scatter Plot"
    record = RunFolder(place.parents[1] / "runs" / BASE).record()
    assert record is not None
    for [name] in drawn(bars):
        assert name.removeprefix("summary_metrics.") in record.cost.model_dump()


def test_swept_axes_are_coordinates_and_have_an_importance(built):
    coordinates, importance = sections(built)["Settings"]
    told = [column["accessor"] for column in coordinates["config"]["columns"]]
    assert told == ["config:lora.value.r", "summary:chrf"]
    assert importance["viewType"] == "Parameter Importance"
    assert importance["config"]["targetKey"] == "chrf"


def test_tables_are_those_that_runs_log(built):
    for title, name in (("Comparison", "comparison"), ("Samples", "samples")):
        [panel] = sections(built)[title]
        assert panel["viewType"] == "Weave"
        assert f'"val": "{name}"' in json.dumps(panel)


def test_runs_are_those_of_the_group_and_those_that_another_sweep_did_before(built):
    wanted = [("group", "=", "made"), ("name", "IN", [BASE, *RUNS])]
    views = [built["workspace"]["spec"]["section"], *grids(built).values()]
    for view in views:
        [runs] = view["runSets"]
        told = [(f["key"]["name"], f["op"], f["value"]) for f in runs["filters"]["filters"]]
        assert told == wanted
        assert runs["filters"]["filters"][1]["connector"] == "OR"


def test_the_report_opens_with_the_judgement(built, place):
    about = dashboard.subject(entries.read(place))
    told = json.dumps(built["report"]["spec"]["blocks"], ensure_ascii=False)
    assert about.judgement
    assert all(json.dumps(each, ensure_ascii=False)[1:-1] in told for each in about.judgement)


def test_without_a_key_nothing_is_sent_and_a_file_is_offered(place, here, capsys, monkeypatch):
    monkeypatch.setattr(dashboard, "send", None)
    assert cli.run(["dashboard"]) == 2
    told = capsys.readouterr().err
    assert "wandb login" in told
    assert "--to FILE.json" in told
    assert cli.run(["dashboard", "made", "--to", "made.json", "--entity", "team"]) == 0
    written = json.loads((here / "made.json").read_text())
    assert written["workspace"]["entity"] == "team"
    assert written["workspace"]["project"] == "mtsweep"
    assert cli.run(["dashboard", "--to", "no/such/folder.json"]) == 2
    assert "--to: cannot write" in capsys.readouterr().err


def test_a_missing_package_is_told_by_its_extra(place, capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert cli.run(["dashboard"]) == 2
    assert "pip install 'mtsweep[dashboard]'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_server_is_told_once_and_then_again_in_the_same_place(place, capsys, monkeypatch):
    with talked_to(monkeypatch) as server:
        assert cli.run(["dashboard"]) == 0
        first = capsys.readouterr().out.splitlines()
        assert len(first) == 2
        assert all(line.startswith(f"{server.url}/team/mtsweep") for line in first)
        assert cli.run(["dashboard"]) == 0
        assert capsys.readouterr().out.splitlines() == first
        assert [(view["type"], view["displayName"]) for view in server.views] == [
            ("project-view", "made"), ("runs", "Comparison of made"),
        ]  # fmt: skip
        saved = json.loads(server.views[0]["spec"])["section"]["panelBankConfig"]["sections"]
        assert [each["name"] for each in saved] == TITLES


def test_what_w_and_b_does_not_take_is_told_with_a_way_out(place, monkeypatch):
    def broken(*_told):
        raise RuntimeError("no such project")

    monkeypatch.setattr(dashboard, "workspace", broken)
    about = dashboard.subject(entries.read(place))
    about = dashboard.replace(about, wandb=WandbConfig(entity="team"))
    with pytest.raises(MtsweepError, match=r"did not take it \(no such project\); --to FILE.json"):
        dashboard.send(about, Path(place))
