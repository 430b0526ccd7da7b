"""Searches that train, through the command line: killed and gone on with, some trials pruned."""

from __future__ import annotations

import io
import json
import os
import queue
import signal
import sys
from pathlib import Path

import pytest

from mtsweep import plan as plans
from mtsweep.sweep.wire import Do, Ended, Looked, Order, Take, Verdict, frames
from mtsweep.sweep.worker import Worker
from tests.overrides import composed
from tests.sweep.test_survival import alive, descendants, finish, started, until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
    pytest.mark.slow,
]

SMALL = [
    "model=tiny_causal", "trainer=smoke", "tracking=none", "data.test_size=6", "data.dev_size=8",
    "data.size=64", "trainer.max_steps=32", "trainer.eval_steps=4", "trainer.logging_steps=100",
]  # fmt: skip
SEARCH = [
    "-m", "sweep=optuna", "lora.r=choice(2,4)", "sweep.metric=eval_loss", "sweep.trials=8",
    "trainer.learning_rate=tag(log, interval(1e-6,3e-2))", "sweep.name=s", "sweep.reduction=2",
    *SMALL,
]  # fmt: skip


def trials(folder: Path) -> list[tuple[str, dict, float | None]]:
    import optuna

    study = optuna.load_study(storage=f"sqlite:///{folder}/sweeps/s/study.db", study_name="search")
    return [(each.state.name, each.params, each.value) for each in study.trials]


def times(folder: Path, state: str) -> dict[str, int]:
    """When each run of a state came to it; by id."""
    found = {}
    for path in folder.glob("runs/*/status.json"):
        if json.loads(path.read_text(encoding="utf-8"))["state"] == state:
            found[path.parent.name] = path.stat().st_mtime_ns
    return found


def test_a_search_whose_parent_is_killed_goes_on_and_comes_to_the_same(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    code, told = finish(SEARCH, whole)
    assert code == 0, told
    ended = [state for state, _, _ in trials(whole)]
    assert set(ended) == {"COMPLETE", "PRUNED"}
    assert len(ended) == 8
    assert f"8 trials: {ended.count('COMPLETE')} finished, {ended.count('PRUNED')} pruned." in told
    assert "Best by the dev set: lora.r=" in told
    with started(SEARCH, broken) as process:
        until(lambda: len(times(broken, "finished")) + len(times(broken, "pruned")) >= 4)
        children = descendants(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        until(lambda: not any(map(alive, children)), 5)
    before = {**times(broken, "finished"), **times(broken, "pruned")}
    code, again = finish(SEARCH, broken)
    assert code == 0, again
    assert trials(broken) == trials(whole)
    after = {**times(broken, "finished"), **times(broken, "pruned")}
    assert before.items() <= after.items(), "what was done is not done again"
    for run_id in times(broken, "pruned"):
        told = json.loads((broken / "runs" / run_id / "status.json").read_text(encoding="utf-8"))
        assert told["step"] % 4 == 0
        assert 0 < told["step"] < 32
        assert told["reason"] == f"at step {told['step']}, dev loss {told['value']:.3f}"
        assert not (broken / "runs" / run_id / "checkpoints").exists()
    table = (broken / "sweeps" / "s" / "table.csv").read_text(encoding="utf-8")
    assert table.count(',"pruned: at step') == len(times(broken, "pruned")) > 0
    code, _ = finish(SEARCH, broken)
    assert code == 0
    assert {**times(broken, "finished"), **times(broken, "pruned")} == after


def test_a_pruned_run_ends_without_a_traceback_and_is_trained_when_it_is_asked_for(here):
    out, orders = io.BytesIO(), queue.Queue[Order]()
    worker = Worker("here", out, orders)
    command = [*SMALL, "trainer.metric_for_best_model=eval_loss"]
    (group,) = plans.make(composed(*command)).groups
    (run,) = group.runs
    worker.obey(Take(group))
    for verdict in (True, False):
        orders.put(Verdict(verdict))
    worker.obey(Do(run.id, watched=True))
    assert run.folder.state == "pruned"
    assert "Traceback" not in run.folder.log.read_text(encoding="utf-8")
    (planned,) = plans.make(composed(*command)).runs
    assert planned.state == "new"
    worker.obey(Do(run.id))
    out.seek(0)
    heard = list(frames(out))
    looks = [event for event in heard if isinstance(event, Looked)]
    assert [event.step for event in looks] == [4, 8]
    ends = [event for event in heard if isinstance(event, Ended)]
    assert [event.how for event in ends] == ["pruned", "finished"]
    assert ends[0].reason == f"at step 8, dev loss {looks[1].value:.3f}"
    assert run.folder.record() is not None
