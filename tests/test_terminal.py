import io

import pytest
from rich.console import Console

from mtsweep import device, terminal
from mtsweep import plan as plans
from mtsweep.scores import LABELS
from mtsweep.table import Row
from tests.overrides import job
from tests.records import record, score

MARKUP = ["a [bold]b[/bold] c", "[/red]", "[/", "[link=https://x.y]z[/link]", "\\[b]", ":smile:"]


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for key in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "NO_COLOR"):
        monkeypatch.delenv(key, raising=False)


@pytest.fixture
def plain() -> Console:
    return Console(file=io.StringIO(), width=120, highlight=False)


def said(out: Console) -> str:
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def lines(out: Console) -> list[str]:
    """The lines of a table, without the note below it."""
    return [line for line in said(out).splitlines() if not line.startswith("±")]


@pytest.mark.parametrize("label", MARKUP)
def test_a_label_in_the_table_is_shown_as_it_is(plain, label):
    terminal.show(plain, [Row(label, record()), Row(label, None)])
    assert [line.startswith(label) for line in lines(plain)[-2:]] == [True, True]


@pytest.mark.parametrize("name", ["[/red]", "owner/[bold]model"])
def test_a_banner_shows_names_as_they_are(plain, tmp_path, name):
    told = {"model": "tiny_causal", "model.name": name, "data.name": name}
    terminal.banner(plain, plans.make([job({**told, "output_dir": str(tmp_path)})]))
    assert f"{name} (causal; asked in words)" in said(plain)
    assert f"{name}, English to Spanish: " in said(plain)


def test_a_banner_says_what_will_run(plain, tmp_path):
    jobs = [
        job({"model": "tiny_causal", "output_dir": str(tmp_path), "lora.r": r}) for r in (8, 16, 8)
    ]
    terminal.banner(plain, plans.make(jobs))
    told = said(plain)
    assert "runs      2 (1 asked for twice)" in told
    assert "180 steps of 4 pairs, learning rate 0.002" in told
    assert "W&B offline" in told
    assert "CPU, " in told
    assert str(tmp_path) in told.replace("\n", "")


def test_at_most_four_models_are_named(plain, tmp_path):
    jobs = [
        job({"model": "tiny_causal", "model.name": f"m{n}", "output_dir": str(tmp_path), "seed": n})
        for n in range(6)
    ]
    terminal.banner(plain, plans.make(jobs))
    assert "m3 (causal" in said(plain)
    assert "m4 (causal" not in said(plain)
    assert "… and 2 more" in said(plain)


def test_the_table_compares_with_the_base(plain):
    base = record("0" * 12, "base", scores={"bleu": score(30.0), "chrf": score(50.0)})
    terminal.show(plain, [Row("base", base, "base"), Row("lora.r=8", record())])
    _, heading, first, second = lines(plain)
    assert heading.split("  ")[0] == "run"
    assert "BLEU" in heading
    assert "chrF" in heading
    assert "30.0" in first
    assert second.split() == [
        "lora.r=8", "31.5", "±1.5", "+1.5", "55.0", "±1.5", "+5.0",
        "98%", "61", "s", "7", "s", "3.0", "GiB",
        "4.88", "M", "9.8", "MB",
    ]  # fmt: skip


def test_seconds_of_a_step_are_told_where_they_were_measured(plain):
    cost = record().cost.model_copy(update={"seconds_per_step": 0.512})
    terminal.show(plain, [Row("one", record()), Row("two", record(cost=cost))])
    _, heading, first, second = lines(plain)
    assert "a step" in heading
    assert "0.51 s" in second
    assert "0.51 s" not in first


def test_a_failed_run_has_its_line(plain):
    terminal.show(plain, [Row("lora.r=8", record()), Row("lora.r=16", None, "run", "oom")])
    assert lines(plain)[-1].split() == ["lora.r=16", "failed"]


def test_a_table_of_nothing_but_failures_is_a_table(plain):
    terminal.show(plain, [Row("base", None, "base"), Row("lora.r=16", None, "run", "oom")])
    assert said(plain).count("failed") == 2


def test_runs_with_different_metrics_stand_in_one_table(plain):
    only_chrf = record(scores={"chrf": score(40.0)}, base_scores={"chrf": score(40.0)})
    terminal.show(plain, [Row("both", record()), Row("one", only_chrf)])
    assert "40.0" in lines(plain)[-1]


def test_a_long_label_is_folded_and_no_figure_is_lost(plain):
    label = ", ".join(f"trainer.key{n}=value{n}" for n in range(12))
    terminal.show(plain, [Row(label, record())])
    assert "4.88 M" in said(plain)
    assert "value11" in said(plain)
    assert max(map(len, said(plain).splitlines())) <= 120


def test_output_that_is_no_terminal_is_plain_and_120_wide(monkeypatch, capsys):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    out = terminal.console()
    assert out.width == 120
    terminal.show(out, [Row("lora.r=8", record())])
    told = capsys.readouterr().out
    assert "lora.r=8" in told
    assert "\x1b" not in told


def test_continuous_integration_is_no_terminal(monkeypatch):
    monkeypatch.setenv("CI", "true")
    assert not terminal.console().is_terminal


def test_the_command_that_sends_to_wandb_is_one_line_to_copy(plain, here):
    plan = plans.make([job({"model": "tiny_causal"})])
    [run] = plan.runs
    links = {}
    for folder, kind in ((run.folder, "run"), (run.base_folder, "base")):
        links[kind] = f"{here}/{folder.path}/wandb/offline-run-20250101_000000-{folder.id}"
        folder.start("")
        made = record(folder.id, kind, environment={"tracking": f"wandb sync {links[kind]}"})
        folder.finish(made)
    terminal.epilogue(plain, plan, here / "sweeps" / "x")
    command = next(line for line in said(plain).splitlines() if "wandb sync" in line)
    paths = command.partition("wandb sync ")[2].split()
    assert [str(here / path) for path in paths] == [links["base"], links["run"]]


def test_a_run_that_cannot_fit_is_told_with_a_remedy_before_anything_starts(
    plain, tmp_path, monkeypatch
):
    monkeypatch.setattr(device, "room", lambda: 1 << 20)
    jobs = [job({"model": "tiny_causal", "output_dir": str(tmp_path)}, overrides="lora.r=8")]
    plan = plans.make(jobs)
    terminal.banner(plain, plan)
    terminal.planned(plain, plan)
    told = said(plain)
    assert "lora.r=8 needs about 0." in told
    assert "lora=qlora" in told
    assert "GiB (too much)" in told


def test_a_run_that_fits_is_not_warned_of(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(device, "room", lambda: 1 << 40)
    plan = plans.make([job({"model": "tiny_causal", "output_dir": str(tmp_path)})])
    terminal.banner(plain, plan)
    terminal.planned(plain, plan)
    assert "more than there is" not in said(plain)
    assert "too much" not in said(plain)


def test_a_plan_shows_memory_time_and_disk_of_each_run_and_totals(plain, tmp_path):
    jobs = [
        job({"model": "tiny_causal", "output_dir": str(tmp_path), "lora.r": r}, f"lora.r={r}")
        for r in (8, 16)
    ]
    plan = plans.make(jobs)
    terminal.planned(plain, plan)
    told = said(plain)
    for heading in ("id", "run", "state", "group", "memory", "time", "disk"):
        assert heading in told.splitlines()[0]
    disk = sum(run.estimate.disk for run in plan.runs) / 2**20
    assert "2 runs, 2 to do in 1 group: about" in told
    assert f"{disk:.1f} MiB of disk" in told


def test_the_end_of_a_sweep_says_how_far_the_estimates_were_off(plain, tmp_path):
    plan = plans.make([job({"model": "tiny_causal", "output_dir": str(tmp_path)})])
    run = plan.runs[0]
    run.folder.start(run.as_yaml())
    made = record(run.id, estimate={"memory": 2 * 2**30, "seconds": 34.0})
    run.folder.finish(made)
    terminal.epilogue(plain, plan, tmp_path)
    assert "took   memory 1.5 x, time 2.0 x of the estimate" in said(plain)


def test_many_metrics_stand_in_tables_of_their_own_and_every_line_names_its_run(plain):
    names = ["bleu", "chrf", "chrf++", "ter", "rouge", "comet"]
    scores = {name: score(30.0) for name in names}
    made = record(scores=scores, base_scores=scores)
    terminal.show(plain, [Row("lora.r=8", made)])
    told = lines(plain)
    assert sum(line.startswith("lora.r=8 ") for line in told) == 2
    assert all(LABELS[name] in said(plain) for name in names)
    assert "…" not in said(plain)
