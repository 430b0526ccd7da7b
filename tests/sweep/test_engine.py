"""What becomes of a run whose worker went before it began."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mtsweep import plan as plans
from mtsweep.progress import Plain
from mtsweep.sweep.engine import _Engine
from mtsweep.sweep.source import Listed
from mtsweep.terminal import console
from tests.overrides import job


@pytest.fixture
def lost(tmp_path):
    """An engine, and a worker that was handed a run and did not come to begin it."""
    plan = plans.make([job({"model": "tiny_causal", "output_dir": str(tmp_path)})])
    (group,) = plan.groups
    (run,) = group.runs
    config = run.config.sweep.model_copy(update={"retries": 0})
    engine = _Engine(plan, config, [], Plain(console()), Listed(()))
    return engine, SimpleNamespace(run=run, group=group, slot=SimpleNamespace(name="cpu")), run


def test_where_the_sweep_ends_nothing_is_left_of_it(lost):
    engine, worker, run = lost
    engine.stop()
    engine._lost(worker, "gone")
    assert not run.folder.path.exists()
    assert engine.failures == []


def test_where_the_sweep_goes_on_it_failed_with_the_reason(lost):
    engine, worker, run = lost
    engine._lost(worker, "gone")
    assert (run.folder.state, run.folder.reason) == ("failed", "gone")
    assert [failure.reason for failure in engine.failures] == ["gone"]
