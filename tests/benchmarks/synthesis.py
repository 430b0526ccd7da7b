"""How fast pairs are asked for, and in how much memory: ``synthesis.py [speed | memory]``.

The server is a process of its own on loopback, so that the client's processor time and memory are
the client's alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.standins.chat_server import KEY, Reply, chat_server

SYLLABLES = [a + b for a in "bcdfglmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "il")]
SECONDS, PAIRS, CONCURRENCY = 1.0, 1_000, 16
FEW, MANY = 10_000, 100_000


def command(url, pairs, *more):
    """A data set of new pairs; their made-up words are in no language."""
    return ["synthesize", "synthesis=local", "synthesis.model=m", "synthesis.api_key_env=CHAT_KEY",
            "synthesis.structured=none", f"synthesis.concurrency={CONCURRENCY}",
            f"synthesis.pairs={pairs}", f"synthesis.base_url={url}", "synthesis.folder=made",
            "synthesis.filters.language=0", *more]  # fmt: skip


def serve(delay):
    """Ten pairs of made-up words a request, ``delay`` seconds later, until killed."""

    def text(chance):
        words = ("".join(chance.choices(SYLLABLES, k=chance.randint(2, 4))) for _ in range(9))
        return " ".join(words)

    def behave(number, body):
        chance = random.Random(json.dumps(body["messages"]) + str(body["seed"]))
        pairs = [{"en": text(chance), "es": text(chance)} for _ in range(10)]
        return Reply(json.dumps({"pairs": pairs}), delay=delay)

    with chat_server(behave) as server:
        print(server.url, flush=True)
        threading.Event().wait()


@contextlib.contextmanager
def serving(delay):
    """Address of a server in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, __file__, "serve", str(delay)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def speed():
    """1,000 pairs at 10 a request from a server that takes a second: requests/s, client CPU."""
    from mtsweep.compose import compose
    from mtsweep.synthesis import making
    from mtsweep.synthesis.drive import Crew
    from mtsweep.synthesis.ledger import Ledger

    with serving(SECONDS) as url, tempfile.TemporaryDirectory() as folder:
        [job] = compose(command(url, PAIRS)[1:], lambda _jobs: None)
        order = making.order(job.config)
        count = PAIRS // order.plan.per_request
        with Ledger(Path(folder) / "ledger.jsonl") as ledger:
            crew = Crew(order.config, making.teacher(order), ledger)
            started, busy = time.perf_counter(), time.process_time()
            crew.ask(order.plan, range(count))
            seconds, busy = time.perf_counter() - started, time.process_time() - busy
            assert ledger.usage.answered == count
    rate, cpu = count / seconds, 1000 * busy / count
    print(f"{count} requests of 10 pairs, {SECONDS:g} s each, {CONCURRENCY} at once:")
    print(f"  {rate:.1f} requests/s, {cpu:.1f} ms of CPU a request")


def memory():
    """Peak resident memory of whole commands, of 10,000 and of 100,000 pairs."""
    for pairs in (FEW, MANY):
        with serving(0.0) as url, tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            told = subprocess.run(
                [sys.executable, __file__, "client", *command(url, pairs)],
                cwd=folder, check=True, capture_output=True, text=True,
            ).stdout  # fmt: skip
            made = sum(1 for _ in (Path(folder) / "synthetic/made/pairs.jsonl").open("rb"))
            seconds = time.perf_counter() - started
        print(f"{made} pairs in {seconds:.0f} s: {told.splitlines()[-1]}", flush=True)


def client(arguments):
    """One command; its last line is what it took."""
    from mtsweep.cli import run

    assert run(arguments) == 0
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{used.ru_maxrss / 1024:.0f} MiB at most, {used.ru_utime + used.ru_stime:.0f} s of CPU")


if __name__ == "__main__":
    os.environ["CHAT_KEY"] = KEY
    what = sys.argv[1] if len(sys.argv) > 1 else None
    if what == "serve":
        serve(float(sys.argv[2]))
    elif what == "client":
        client(sys.argv[2:])
    for name, measure in (("speed", speed), ("memory", memory)):
        if what in {None, name}:
            measure()
