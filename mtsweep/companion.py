"""A process that helps a worker with one training (``python -m mtsweep.companion``).

It gets the run on standard input, and ends when that closes.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback

from mtsweep import device, ranks


def main() -> None:
    """Take this process's part of a training."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)  # the worker decides when a training stops
    run = pickle.load(sys.stdin.buffer)  # noqa: S301 - from a process of ours
    threading.Thread(target=_end_with_the_worker, daemon=True).start()
    try:
        from mtsweep.tune import help_train  # takes seconds, while the worker goes on

        if device.gpus():
            device.use(f"cuda:{os.environ['LOCAL_RANK']}")
        help_train(run)
    except Exception as error:  # noqa: BLE001 - the worker tells of it
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(ranks.NO_MEMORY if device.is_out_of_memory(error) else 1)
    os._exit(0)  # the group is the first process's to take down


def _end_with_the_worker() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
