from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from mtsweep import plan as plans
from mtsweep.progress import LiveTable, Plain
from mtsweep.sweep.wire import Advanced, Began, Said, Told
from tests.overrides import job

MARKUP = ["a [bold]b[/bold] c", "[/red]", "[/", "[link=https://x.y]z[/link]", "\\[b]", ":smile:"]


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=120, highlight=False, force_terminal=terminal)


def shown(out: Console) -> str:
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


@pytest.fixture
def plan(tmp_path) -> plans.Plan:
    jobs = [
        job({"model": "tiny_causal", "lora.r": r, "output_dir": str(tmp_path)}, f"lora.r={r}")
        for r in (2, 4)
    ]
    return plans.make(jobs)


@pytest.mark.parametrize("text", MARKUP)
def test_text_that_looks_like_markup_is_shown_as_it_is(plan, text):
    out = console(terminal=False)
    with Plain(out) as look:
        look.said(text)
        look.heard("cpu", Began(text, "train", 40))
        look.heard("cpu", Told(text, f"failed: {text}"))
    assert shown(out) == f"{text}\n{text}: train 0/40\n{text}: failed: {text}\n"


@pytest.mark.parametrize("text", MARKUP)
def test_the_live_table_shows_markup_as_it_is_too(plan, text):
    out = console(terminal=True)
    with LiveTable(out, plan) as look:
        look.heard("cpu", Began(text, "train", 2))
        look.heard("cpu", Advanced(1, {"loss": 2.0}))
        look.live.refresh()
        look.heard("cpu", Said(text))
        look.heard("cpu", Told(text, "BLEU 31.5"))
    assert shown(out).count(text) >= 3
    assert "\x1b[" in shown(out)


def test_the_live_table_tells_step_loss_rate_and_memory_of_every_worker(plan):
    out = console(terminal=True)
    with LiveTable(out, plan) as look:
        for slot, run in zip(("cuda:0", "cuda:1"), plan.runs, strict=True):
            look.started(slot, run)
            look.heard(slot, Began(run.label, "train", 40))
            look.heard(slot, Advanced(10, {"loss": 2.5, "tokens_per_second": 1234.4}))
            look.heard(slot, Advanced(20, {"memory": 3.5 * 2**30}))
            look.heard(slot, Advanced(20, {"dev_bleu": 3.14, "dev_chrf": 27.18}))
        look.live.refresh()
    told = shown(out)
    for wanted in ("lora.r=2", "lora.r=4", "20/40", "2.500", "1234", "3.5 GiB", "3.1/27.2"):
        assert wanted in told


def test_what_waits_is_counted(plan):
    out = console(terminal=True)
    with LiveTable(out, plan) as look:
        look.started("cpu", plan.runs[0])
        look.live.refresh()
        assert "1 more wait" in shown(out)


def test_what_is_through_stays_with_its_scores_and_the_time_left_follows_from_it(plan, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("mtsweep.progress.time.monotonic", lambda: now[0])
    out = console(terminal=True)
    with LiveTable(out, plan) as look:
        look.started("cpu", plan.runs[0])
        now[0] = 40.0
        look.heard("cpu", Told("lora.r=2", "in words", {"bleu": 12.34, "chrf": 43.21}))
        look.ended("cpu", plan.runs[0], "finished", "")
        look.live.refresh()
    assert "12.3/43.2" in shown(out)
    assert re.search(r"1 more wait, about 0:(39|40|41) left in all", shown(out))


def test_a_failure_is_told_when_it_happens(plan):
    for terminal, look_on in ((True, lambda out: LiveTable(out, plan)), (False, Plain)):
        out = console(terminal=terminal)
        with look_on(out) as look:
            look.ended("cpu", plan.runs[0], "failed", "out of memory")
        assert "out of memory" in shown(out)


def test_a_log_file_gets_a_line_every_15_seconds(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("mtsweep.progress.time.monotonic", lambda: now[0])
    out = console(terminal=False)
    look = Plain(out)
    look.heard("cpu", Began("lora.r=8", "train", 40))
    for second, done in ((14.0, 5), (16.0, 10), (20.0, 15), (32.0, 20), (60.0, 40)):
        now[0] = second
        look.heard("cpu", Advanced(done, {"loss": float(done)}))
    assert shown(out).splitlines() == [
        "lora.r=8: train 0/40",
        "lora.r=8: train 10/40  loss 10.000",
        "lora.r=8: train 20/40  loss 20.000",
    ]
