"""The page in a real browser: Debian's Chromium, without a network."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from mtsweep.report import write_report
from tests.report.sweeps import small, sweep

pytestmark = pytest.mark.slow


@pytest.fixture
def opened(browser):
    """Opens a file; afterwards nothing was fetched and nothing complained about."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1200, "height": 900})

    def open_page(file: Path):
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: complaints.append(asked.url) if _away(asked.url) else None)
        page.goto(file.resolve().as_uri())
        page.wait_for_selector("#list[data-ready]")
        return page

    yield open_page
    context.close()
    assert complaints == []


def _away(url: str) -> bool:
    return not url.startswith(("file:", "data:", "blob:"))


@pytest.fixture
def page(opened, tmp_path):
    return opened(write_report(small(tmp_path, failed="out of memory"))[0])


def listed(page) -> list[str]:
    return page.locator("#list .item .id").all_inner_texts()


def test_texts_stay_texts_whatever_they_say(page):
    page.locator("#list .item").nth(2).click()
    assert "</script><script>" in page.locator("#detail").inner_text()
    assert page.title() == "made"
    assert page.locator("#detail img").count() == 0


def test_segments_are_ordered_by_the_difference_of_two_runs(page):
    page.select_option("#order", "gap")
    page.select_option("#one", label="lora.r=16")
    page.select_option("#two", label="lora.r=8")
    gaps = [float(text.replace("−", "-").lstrip("±")) for text in
            page.locator("#list .gap").all_inner_texts()]  # fmt: skip
    assert len(set(gaps)) > 2
    assert gaps == sorted(gaps, reverse=True)
    order = listed(page)
    page.click("#turn")
    assert listed(page) != order
    assert listed(page)[-1] == order[0]


def test_a_search_finds_what_any_run_said(page):
    page.fill("#query", "nieva")
    assert listed(page) == ["s3"]
    assert page.locator("#detail mark.found").inner_text() == "Nieva"
    page.fill("#query", "nobody said this")
    assert listed(page) == []
    page.keyboard.press("Escape")
    assert len(listed(page)) == 4


def test_the_keyboard_goes_through_the_segments(page):
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.locator("#list [aria-selected=true] .id").inner_text() == "s2"
    page.keyboard.press("k")
    assert page.locator("#list [aria-selected=true] .id").inner_text() == "s1"
    page.keyboard.press("/")
    page.keyboard.type("cat")
    assert listed(page) == ["s0"]


def test_words_that_the_reference_lacks_are_marked(page):
    said = page.locator("#detail .said", has_text="lora.r=8")
    assert said.locator("mark").all_inner_texts() == ["come"]
    page.select_option("#against", "")
    assert page.locator("#detail mark").count() == 0


def test_the_table_is_sorted_by_a_column(page):
    table = page.locator("#scores table")
    table.get_by_role("button", name="chrF").click()
    first = table.locator("tbody tr td:first-child").first
    assert first.inner_text().startswith("lora.r=8")
    table.get_by_role("button", name="chrF").click()
    assert first.inner_text().startswith("base")


def test_charts_are_drawn_and_follow_the_theme(page):
    page.locator("#curves").scroll_into_view_if_needed()
    page.wait_for_selector("#curves .js-plotly-plot .main-svg")
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_nothing_is_wider_than_a_narrow_window(page):
    page.set_viewport_size({"width": 360, "height": 700})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_print_has_texts_instead_of_the_browser(page):
    page.emulate_media(media="print")
    assert page.locator("#browser .list").is_hidden()
    assert page.locator(".paper .said").count() == 4
    assert page.pdf()[:4] == b"%PDF"


@pytest.mark.parametrize(("code", "way"), [("tam_Taml", "ltr"), ("arb_Arab", "rtl")])
def test_a_text_has_its_language_and_its_direction(opened, tmp_path, code, way, monkeypatch):
    texts = ["சிவப்புக் கேபிளைத் தொடாதீர்கள்!" if way == "ltr" else "لا تلمس الكابل الأحمر!"]
    folder = sweep(tmp_path, [("base", texts), ("lora.r=8", texts)], ["Stop!"], texts, code)
    page = opened(write_report(folder)[0])
    what = page.locator("#detail .said", has_text="lora.r=8").locator(".what")
    assert what.inner_text() == texts[0]
    assert what.get_attribute("dir") == way
    assert what.get_attribute("lang") == code.replace("_", "-")


def test_a_hundred_runs_of_two_thousand_segments_open_soon(opened, tmp_path):
    pick = random.Random(0)
    words = [
        "".join(pick.choices("abcdefghijklmnopqrstuvwxyz", k=pick.randint(2, 9)))
        for _ in range(3000)
    ]

    def texts() -> list[str]:
        return [" ".join(pick.choices(words, k=12)) for _ in range(2000)]

    references = texts()
    runs = [("base", texts())]
    said = [
        [text.replace(text.split()[place], pick.choice(words)) for text in references]
        for place in range(10)
    ]
    runs += [(f"lora.r={rank}", said[rank % 10]) for rank in range(1, 101)]
    file = write_report(sweep(tmp_path, runs, texts(), references))[0]
    assert file.stat().st_size < 30 * 2**20
    started = time.monotonic()
    page = opened(file)
    assert time.monotonic() - started < 5
    assert page.locator("#count").inner_text().startswith("2000 of 2000 segments")
