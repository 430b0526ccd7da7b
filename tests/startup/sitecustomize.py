"""Put on PYTHONPATH by tests and benchmarks: what a process does besides, if its environment asks.

``TEST_FAULT``: training fails (``tests/faults.py``). ``STAGES``: the process writes down what it
spent its CPU time on (``tests/benchmarks/stages.py``).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))

if os.environ.get("TEST_FAULT"):
    from tests import faults

    faults.begin()
if os.environ.get("STAGES"):
    from tests.benchmarks import stages

    stages.begin()
