import csv
import shutil

import pytest

from mtsweep import cli
from mtsweep.report import write_report
from tests.report.sweeps import small


@pytest.fixture
def made(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_report(small(tmp_path))
    return tmp_path / "sweeps" / "made" / "human" / "ratings"


def fill(place, rater, rate):
    lines = list(csv.DictReader((place / "sheet.csv").read_text().splitlines(keepends=True)))
    with (place / f"{rater}.csv").open("w") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows({**line, **rate(line)} for line in lines)
    return str(place / f"{rater}.csv")


def test_scores_of_two_raters_reach_the_report(made, capsys):
    assert cli.run(["rate", "export"]) == 0
    names = [fill(made, rater, lambda _: {"adequacy": "4", "fluency": "2"}) for rater in ("a", "b")]
    assert cli.run(["rate", "import", *names]) == 0
    assert "2 raters, 4 segments; Krippendorff's alpha: adequacy 1.00" in capsys.readouterr().out
    for name in ("report.html", "report.md"):
        told = (made.parents[1] / name).read_text()
        assert "What people say" in told
        assert "4.00 to 4.00" in told


def test_preferences_come_with_a_sign_test(made, capsys):
    assert cli.run(["rate", "export", "--kind", "pairs", "--runs", "lora.r=8", "lora.r=16"]) == 0
    assert cli.run(["rate", "import", fill(made, "ann", lambda _: {"preference": "tie"})]) == 0
    told = capsys.readouterr().out
    assert "neither                 4" in told
    assert "p of the sign test      1" in told


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (["export", "--runs", "nix"], "'nix' is 0 of this sweep's runs"),
        (["export", "--kind", "pairs", "--runs", "base"], "compares two runs, not 1"),
        (["export", "--name", "../x"], "is no file name"),
        (["import", "absent.csv", "--name", "none"], "no key of such sheets"),
    ],
)
def test_what_cannot_be_rated_is_told(made, capsys, command, complaint):
    assert cli.run(["rate", *command]) == 2
    assert complaint in capsys.readouterr().err
    assert not made.exists()


def test_sheets_that_raters_may_be_filling_in_are_never_replaced(made, capsys):
    assert cli.run(["rate", "export"]) == 0
    assert cli.run(["rate", "export"]) == 2
    assert "choose another --name" in capsys.readouterr().err
    assert cli.run(["rate", "import", "absent.csv"]) == 2
    assert capsys.readouterr().err == "absent.csv: cannot be read (No such file or directory)\n"


@pytest.mark.parametrize(("kind", "keys"), [("scores", "45"), ("pairs", "a")])
def test_the_page_is_rated_by_keyboard_and_its_sheet_is_read_back(
    made, capsys, browser, kind, keys
):
    runs = ["--runs", "lora.r=8", "lora.r=16"]
    assert cli.run(["rate", "export", "--kind", kind, *runs]) == 0
    complaints = []
    page = browser.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((made / "sheet.html").as_uri())
    assert "lora" not in page.content()
    for _ in range(8 if kind == "scores" else 4):
        for key in keys:
            page.keyboard.press(key)
    with page.expect_download() as saved:
        page.click("#save")
    shutil.copy(saved.value.path(), made / "ann.csv")
    assert cli.run(["rate", "import", str(made / "ann.csv")]) == 0
    told = capsys.readouterr().out
    assert ("4.00 to 4.00" in told) if kind == "scores" else ("p of the sign test" in told)
    assert complaints == []
    page.close()
