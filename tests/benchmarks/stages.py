"""What each process of a benchmark spent its CPU time on.

``STAGES=FOLDER``: at its end a process writes ``FOLDER/<pid>.json`` with seconds by stage. A stage
within another one counts for itself alone; what no stage names is ``start`` (imports, above all).
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import time
from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.imports import when_imported

STAGES = {
    "mtsweep.compose.command": {"asked": "plan"},
    "mtsweep.plan.planning": {"make": "plan"},
    "mtsweep.cli.sweeping": {"sweep": "engine", "driven": "engine"},
    "mtsweep.cli.ending": {"judge": "report"},
    "mtsweep.report": {"write_report": "report"},
    "mtsweep.sweep.worker": {"Worker.obey": "engine", "_keep_libraries": "start"},
    "mtsweep.models.load": {"load": "load", "Base.unchanged": "hash"},
    "mtsweep.models.adapters": {"_peft_config": "load"},
    "mtsweep.training.fit": {"fit": "train"},
    "mtsweep.training.examples": {"causal": "tokenise", "seq2seq": "tokenise"},
    "mtsweep.evaluation.generate": {"generate": "generate"},
    "mtsweep.evaluation.metrics": {"score": "score"},
    "mtsweep.evaluation.degeneration": {"signs": "score", "degeneration": "score"},
    "mtsweep.tracking": {
        "publish": "tracking",
        "open_trackers": "tracking",
        "Mirrors.log": "tracking",
        "Mirrors.finish": "tracking",
    },
    "mtsweep.curves": {"draw": "pictures"},
}

spent: dict[str, float] = defaultdict(float)
stack = ["start"]
marks = [0.0]


def _switch() -> None:
    now = time.process_time()
    spent[stack[-1]] += now - marks[0]
    marks[0] = now


def _counted(function: Any, stage: str) -> Any:
    @functools.wraps(function)
    def counted(*args: Any, **named: Any) -> Any:
        _switch()
        stack.append(stage)
        try:
            return function(*args, **named)
        finally:
            _switch()
            stack.pop()

    return counted


def _wrap(module: ModuleType) -> None:
    for path, stage in STAGES[module.__name__].items():
        *owners, name = path.split(".")
        owner: Any = module
        for each in owners:
            owner = getattr(owner, each)
        setattr(owner, name, _counted(getattr(owner, name), stage))


def _tell(folder: Path) -> None:
    _switch()
    (folder / f"{os.getpid()}.json").write_text(json.dumps(spent), encoding="utf-8")


def begin() -> None:
    """Count from here on."""
    when_imported(STAGES, _wrap)
    atexit.register(_tell, Path(os.environ["STAGES"]))
