"""Parts of the test set and further test sets, in the page and beside it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mtsweep.compare import compare
from mtsweep.evaluation import segments
from mtsweep.record import RunFolder
from mtsweep.report import entries, markdown, parts, write_report
from tests.report.sweeps import sweep

EVIL = "<img src=x onerror=alert(1)> | `*"
WORDS = "el tren sale de la estación a las nueve y llega mañana con mucha lluvia".split()  # noqa: SIM905


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Pictures take long, and have tests of their own."""
    monkeypatch.setattr(markdown, "draw", lambda *_told: None)


def swept(root: Path, names: tuple[str, ...] = ("dental", EVIL)) -> Path:
    """Two runs and their base on two parts: each run is good at one of them."""
    pick = random.Random(4)
    wanted = [" ".join(pick.choices(WORDS, k=7)) for _ in range(80)]

    def spoilt(*shares: float) -> list[str]:
        return [
            " ".join(w if pick.random() > shares[place % 2] else "no" for w in text.split())
            for place, text in enumerate(wanted)
        ]

    runs = {"base": (0.8, 0.8), "lora.r=8": (0.1, 0.6), "lora.r=16": (0.6, 0.1)}
    place = sweep(root, [(label, spoilt(*each)) for label, each in runs.items()], wanted, wanted)
    base = {}
    for number in range(3):
        folder = RunFolder(root / "runs" / f"{number:012x}")
        rows = folder.predictions("test")
        for index, row in enumerate(rows):
            row["origin"] = names[index % len(names)]
        folder.write_predictions("test", rows)
        folder.write_predictions("legal", rows)
        counted = segments.of_run(folder.path, ("bleu", "chrf"), "spa_Latn", "test")
        told = {
            name: counted.scores(list(range(first, 80, len(names))))
            for first, name in enumerate(names)
        }
        further = {"legal": counted.scores()}
        base = base or {"parts": told, "also": further}
        record = folder.record()
        assert record is not None
        folder.finish(
            record.model_copy(update={"parts": told, "base_parts": base["parts"], "also": further,
                                      "base_also": base["also"]})
        )  # fmt: skip
    return place


def test_each_part_says_what_compare_says_of_it(tmp_path):
    made = entries.read(swept(tmp_path))
    inner, further = parts.tables(made, "chrf")
    assert [inner.title, further.title] == ["By part of the test set", "Further test sets"]
    assert [(each.text, each.segments) for each in inner.heads] == [("dental", 40), (EVIL, 40)]
    assert [(each.text, each.segments) for each in further.heads] == [("legal", 80)]
    assert [name.text for name, _ in inner.rows] == ["base", "lora.r=8", "lora.r=16"]
    tied = [[cell.tied for cell in cells if cell] for _, cells in inner.rows]
    assert tied == [[False, False], [True, False], [False, True]]
    found = [(e.folder, e.record) for e in made.finished if e.folder and e.record]
    for place, name in enumerate(("dental", EVIL)):
        told = compare(found, "chrf", on=name)
        for row, (run, cells) in zip(told.rows, inner.rows, strict=True):
            cell, score = cells[place], row.scores["chrf"]
            assert cell is not None
            assert cell.value == pytest.approx(score.value)
            assert (cell.delta is None) == (run.kind == "base")


def test_page_and_text_show_the_tables_and_escape_the_names_of_parts(tmp_path):
    html, text = (path.read_text() for path in write_report(swept(tmp_path)))
    assert '<a href="#parts">' in html
    assert EVIL not in html
    assert "&lt;img src=x onerror=alert(1)&gt; | `*" in html
    assert html.count('class="tied"') == 2 + 2  # both runs are tied on the further test set
    assert "## By part of the test set, chrF" in text
    [heads] = [line for line in text.splitlines() if line.startswith("| run | dental (40)")]
    assert heads.count(" | ") == 2  # the one in the name is no border
    assert "<img" not in heads
    rows = [line for line in text.splitlines() if line.startswith("| lora.r=8 | **")]
    assert len(rows) == 2
    assert all("±" in row for row in rows)


def test_a_sweep_without_parts_has_no_such_section(tmp_path):
    place = swept(tmp_path, names=("one", "one"))
    for path in (tmp_path / "runs").iterdir():
        folder = RunFolder(path)
        record = folder.record()
        assert record is not None
        folder.finish(record.model_copy(update={"also": {}, "base_also": {}}))
    html, text = (path.read_text() for path in write_report(place))
    assert 'id="parts"' not in html
    assert "By part" not in text


def test_many_runs_on_many_parts_are_shown_without_judging_every_column(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "_JUDGED", 2)
    monkeypatch.setattr(parts, "compare", None)
    inner, *_ = parts.tables(entries.read(swept(tmp_path)), "chrf")
    assert not inner.judged
    assert all(cell is not None for _, cells in inner.rows for cell in cells)


def test_parts_stand_below_one_another_where_the_page_is_too_narrow_for_them(tmp_path, monkeypatch):
    made = entries.read(swept(tmp_path, names=("a", "b", "c", "d")))
    wide, *_ = parts.tables(made, "chrf")
    monkeypatch.setattr(parts, "_ABREAST", 3)
    tall, *_ = parts.tables(made, "chrf")
    assert (wide.corner, tall.corner) == ("run", "part")
    assert [name for name, _ in tall.rows] == list(wide.heads)
    assert [name for name, _ in wide.rows] == list(tall.heads)
    turned = zip(*(cells for _, cells in tall.rows), strict=True)
    assert [list(each) for each in turned] == [list(cells) for _, cells in wide.rows]
