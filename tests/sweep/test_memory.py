"""Runs that do not fit are told before anything starts; plan and sweep say the same."""

from __future__ import annotations

import pytest

from mtsweep import cli, device

GIB = 1 << 30
WHOLE = ["model=smollm2", "lora=none", "tracking=none"]
"""135 M parameters, each with gradient and AdamW's two states: 2.0 GiB."""


@pytest.fixture(autouse=True)
def _started_nothing(here, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("mtsweep.sweep.engine.drive", lambda *_: pytest.fail("it started"))


@pytest.fixture
def room(monkeypatch):
    def set_room(free: float, whole: float) -> None:
        monkeypatch.setattr(device, "room", lambda: int(free * GIB))
        monkeypatch.setattr(device, "capacity", lambda: int(whole * GIB))

    return set_room


def test_a_run_that_cannot_fit_is_refused_with_what_it_needs_and_the_remedies(room, here, capsys):
    room(free=1.0, whole=1.5)
    assert cli.run(["-m", "seed=1,2", *WHOLE]) == 2
    told = capsys.readouterr().err
    assert "seed=1" in told
    assert "seed=2" in told
    assert "needs at least 2.0 GiB" in told
    assert "there are 1.5 GiB: it cannot fit" in told
    assert "sweep.oversize" in told
    assert not list(here.iterdir())


def test_what_could_fit_is_only_noted(room, capsys, monkeypatch):
    room(free=1.0, whole=2.5)
    started = []
    monkeypatch.setattr("mtsweep.sweep.engine.drive", lambda plan, *_: started.append(plan) or [])
    cli.run(WHOLE)
    assert len(started) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "and 1.0 GiB are free: if memory runs out it goes on with smaller micro-batches" in told


@pytest.mark.parametrize("command", [["plan"], ["sweep.dry_run=true"]])
def test_a_plan_says_which_runs_cannot_fit_and_why(room, capsys, command):
    room(free=1.0, whole=1.5)
    first = command if command == ["plan"] else []
    assert cli.run([*first, "-m", "lora=lora,none", "model=smollm2", *command[len(first) :]]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert told.count("(cannot fit)") == 1
    assert told.count("(too much)") == 1
    assert "lora=none needs at least 2.0 GiB" in told


def test_runs_that_cannot_fit_can_be_left_out_and_count_as_failed(room, capsys, monkeypatch):
    room(free=1.5, whole=1.5)
    started = []
    monkeypatch.setattr("mtsweep.sweep.engine.drive", lambda plan, *_: started.append(plan) or [])
    assert cli.run(["-m", "lora=lora,none", *WHOLE[::2], "sweep.oversize=skip"]) == 1
    ((group,),) = [plan.groups for plan in started]
    assert [run.overrides for run in group.runs] == ["lora=lora"]
    assert "failed: lora=none: needs at least" in capsys.readouterr().err


def test_runs_that_cannot_fit_can_be_tried_all_the_same(room, monkeypatch):
    room(free=1.5, whole=1.5)
    started = []
    monkeypatch.setattr("mtsweep.sweep.engine.drive", lambda plan, *_: started.append(plan) or [])
    cli.run([*WHOLE, "sweep.oversize=run"])
    assert len(started) == 1


def test_workers_on_a_cpu_share_the_memory(room, capsys):
    room(free=3.0, whole=3.0)
    assert cli.run([*WHOLE, "sweep.workers=2"]) == 2
    assert "there are 1.5 GiB" in capsys.readouterr().err


def test_an_optimiser_without_states_needs_less(room, monkeypatch):
    room(free=1.5, whole=1.5)
    started = []
    monkeypatch.setattr("mtsweep.sweep.engine.drive", lambda plan, *_: started.append(plan) or [])
    cli.run([*WHOLE, "trainer.optim=adafactor"])
    assert len(started) == 1
