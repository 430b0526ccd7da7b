"""What a worker does for a command, in the process of a test, which can look on and interfere."""

from __future__ import annotations

import io
import os
from unittest.mock import patch

from mtsweep import plan as plans
from mtsweep.sweep.slots import slots
from mtsweep.sweep.wire import Do, Ended, Event, Take, frames
from mtsweep.sweep.worker import Worker
from tests.overrides import composed


def work(*command: str) -> list[Event]:
    """Do every run of a command; returns what a parent would have heard."""
    out = io.BytesIO()
    worker = Worker("here", out)
    plan = plans.make(composed(*command))
    slot = slots(plan.runs[0].config.sweep, plan.processes)[0]
    with patch.dict(os.environ, slot.environment):
        for group in plan.groups:
            worker.obey(Take(group))
            for run in group.runs:
                worker.obey(Do(run.id))
    out.seek(0)
    return [event for event in frames(out) if not isinstance(event, Take | Do)]  # type: ignore[misc]


def outcomes(events: list[Event]) -> list[str]:
    """How each run ended."""
    return [event.how for event in events if isinstance(event, Ended)]
