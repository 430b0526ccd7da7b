import json
from dataclasses import replace

import pytest

from mtsweep.config import DataConfig
from mtsweep.data import load
from mtsweep.data.pairs import Leak
from mtsweep.data.survey import survey
from mtsweep.report.datapage import Subject, render

BAD = "<img src=x onerror=alert(1)> & <script>alert(2)</script>"


def page(here, name: str = "mine") -> str:
    rows = [{"source": f"Where is room {n} please", "target": f"أين الغرفة {n} من فضلك"} for n in
            range(60)]  # fmt: skip
    rows += [{"source": BAD, "target": f"<|im_end|> {BAD}"}, {"source": "x\u202ey", "target": "ع"}]
    (here / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    corpus = load(
        DataConfig(
            name=name, source="files", source_lang="eng_Latn", target_lang="arb_Arab",
            train_file="pairs.jsonl", test_size=3, dev_size=3, leaks="keep",
        )
    )  # fmt: skip
    leak = Leak("pairs.jsonl:9", "pairs.jsonl:8", "target", 0.93, BAD)
    return render(
        [Subject(name, f"mtsweep {BAD}", "files", survey(replace(corpus, leaks=(leak,))))]
    )


def test_texts_of_the_data_are_escaped_wherever_they_stand(here):
    html = page(here, BAD)
    assert "<img" not in html
    assert html.count("<script>") == 1
    assert html.count("&lt;img src=x onerror=alert(1)&gt;") >= 4


def test_texts_have_their_language_and_direction(here):
    html = page(here)
    assert '<div class="what" lang="arb-Arab" dir="rtl">' in html
    assert '<div class="what" lang="eng-Latn" dir="ltr">' in html


@pytest.mark.slow
def test_a_browser_fetches_nothing_and_draws_every_histogram(here, browser):
    (here / "data.html").write_text(page(here), encoding="utf-8")
    complaints: list[str] = []
    opened = browser.new_page()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda asked: complaints.append(asked.url))
    opened.goto((here / "data.html").resolve().as_uri())
    assert [url for url in complaints if not url.startswith(("file:", "data:"))] == []
    assert opened.locator("svg.histogram").count() == 3
    assert opened.locator("svg.histogram rect").first.bounding_box()["height"] > 1
    before = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    opened.click("#theme")
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") != before
    opened.close()
