"""What a sweep survives: every test breaks a real command, from outside."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.nursery import NAME, STARTUP

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
    pytest.mark.slow,
]

SWEEP = [
    "-m", "lora.r=2,4", "lora.lora_dropout=0.1", "model=tiny_causal", "trainer=smoke",
    "data.test_size=6", "data.dev_size=4", "data.size=64", "trainer.eval_steps=1000",
    "tracking=none",
]  # fmt: skip
LONG = [*SWEEP, "trainer.max_steps=100000"]


@contextlib.contextmanager
def started(
    command: list[str], folder: Path, *, limit: int | None = None, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """A command in a folder; whatever of it is left at the end is killed, by process id."""

    def prepare() -> None:
        assert limit is not None
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = subprocess.Popen(
        [sys.executable, "-m", "mtsweep", *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        preexec_fn=prepare if limit else None,  # noqa: PLW1509
    )
    try:
        yield process
    finally:
        for pid in [*descendants(process.pid), process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()


def finish(command: list[str], folder: Path, **environment: str) -> tuple[int, str]:
    with started(command, folder, limit=None, **environment) as process:
        told, _ = process.communicate(timeout=240)
        return process.returncode, told


def descendants(pid: int) -> list[int]:
    """What a command started, and what that started; not what the tests have workers forked by."""
    try:
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    children = [int(child) for child in told.split()]
    own = [child for child in children if name(child) != NAME]
    return [*own, *(each for child in own for each in descendants(child))]


def name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
    return ""


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    return told.rpartition(")")[2].split()[0] not in {"Z", "X"}


def until(holds: Callable[[], object], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def records(folder: Path) -> dict[str, dict]:
    """Finished runs by rank, without what differs from one time to the next."""
    found = {}
    for path in folder.glob("runs/*/record.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["kind"] == "run":
            kept = ("id", "scores", "base_scores", "degeneration", "data", "adjusted")
            found[record["config"]["lora"]["r"]] = {name: record[name] for name in kept}
    return found


def states(folder: Path) -> list[str]:
    paths = folder.glob("runs/*/status.json")
    return sorted(json.loads(path.read_text(encoding="utf-8"))["state"] for path in paths)


def weights(folder: Path, run_id: str) -> dict[str, bytes]:
    tensors = load_file(folder / "runs" / run_id / "adapter" / "adapter_model.safetensors")
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


def checkpoints(folder: Path) -> list[Path]:
    return list(folder.glob("runs/*/checkpoints/*/whole.json"))


STEPS = [*SWEEP, "trainer.max_steps=60", "trainer.save_steps=4"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    code, told = finish(STEPS, folder)
    assert code == 0, told
    return folder


def assert_equal(folder: Path, other: Path) -> None:
    assert records(folder) == records(other)
    assert len(records(folder)) == 2
    for record in records(folder).values():
        assert weights(folder, record["id"]) == weights(other, record["id"])


def test_a_worker_killed_20_times_at_random_moments_changes_no_bit(undisturbed, tmp_path):
    generator = random.Random(7)  # noqa: S311
    killed = 0
    with started([*STEPS, "sweep.retries=50"], tmp_path) as sweep:
        lines = iter(sweep.stdout or [])
        told: list[str] = []
        while killed < 20 and sweep.poll() is None:
            # A new worker is worth waiting for: it says that it loads, trains, or translates.
            told.append(next(lines, ""))
            if not told[-1].startswith(("lora.r", "base (untouched): translate")):
                continue
            time.sleep(generator.uniform(0.0, 0.6))
            for pid in descendants(sweep.pid):
                os.kill(pid, signal.SIGKILL)
                killed += 1
            while told[-1] and "taken up again" not in told[-1]:
                told.append(next(lines, ""))
        rest, _ = sweep.communicate(timeout=120)
    assert sweep.returncode == 0, "".join(told) + rest
    assert killed >= 20 or "goes on from step" in "".join(told) + rest
    assert_equal(tmp_path, undisturbed)


def test_a_worker_killed_while_it_writes_checkpoints_goes_on_from_a_whole_one(
    undisturbed, tmp_path
):
    command = [*STEPS, "trainer.save_steps=1", "sweep.retries=9"]
    with started(command, tmp_path) as sweep:
        for _ in range(3):
            seen = {path.parent for path in checkpoints(tmp_path)}
            # A folder that is there and has no manifest yet: the middle of a write.
            until(
                lambda seen=seen: (
                    sweep.poll() is not None
                    or any(
                        path not in seen and not (path / "whole.json").exists()
                        for path in tmp_path.glob("runs/*/checkpoints/checkpoint-*")
                    )
                )
            )
            for pid in descendants(sweep.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.5)
        told, _ = sweep.communicate(timeout=120)
    assert sweep.returncode == 0, told
    assert_equal(tmp_path, undisturbed)


def cut_short(folder: Path) -> str:
    """Cut the optimiser's file of the newest checkpoint in half; gives the checkpoint's step."""
    steps = {int(path.parent.name.removeprefix("checkpoint-")): path.parent
             for path in checkpoints(folder)}  # fmt: skip
    file = steps[max(steps)] / "optimizer.pt"
    os.truncate(file, file.stat().st_size // 2)
    return str(max(steps))


def test_a_killed_parent_leaves_no_process_and_loses_nothing_whole(undisturbed, tmp_path):
    tracked = [*STEPS, "sweep.name=killed"]
    tracked[tracked.index("tracking=none")] = "tracking=wandb"  # which has a process of its own
    with started(tracked, tmp_path) as sweep:
        until(lambda: records(tmp_path))
        until(lambda: len(checkpoints(tmp_path)) > 1)
        below = descendants(sweep.pid)
        assert len(below) > 1
        sweep.kill()
        until(lambda: not any(map(alive, below)), 5.0)
    (first,) = records(tmp_path).values()
    stamp = (tmp_path / "runs" / first["id"] / "record.json").stat().st_mtime_ns
    step = cut_short(tmp_path)
    code, told = finish(STEPS, tmp_path)
    assert code == 0, told
    assert f"checkpoint of step {step} is not whole (optimizer.pt is" in told
    assert "goes on from step" in told
    assert (tmp_path / "runs" / first["id"] / "record.json").stat().st_mtime_ns == stamp
    assert_equal(tmp_path, undisturbed)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_sweep_keeps_its_step_and_says_how_to_go_on(tmp_path, number, code):
    with started(LONG, tmp_path) as sweep:
        until(lambda: list(tmp_path.glob("runs/*/metrics.jsonl")))
        time.sleep(1.0)
        sweep.send_signal(number)
        told, _ = sweep.communicate(timeout=30)
        assert sweep.returncode == code
        assert "python -m mtsweep -m lora.r=2,4" in told
        assert states(tmp_path) == ["finished", "interrupted"]
        (manifest,) = checkpoints(tmp_path)
        step = int(manifest.parent.name.removeprefix("checkpoint-"))
    with started(LONG, tmp_path) as sweep:
        for line in sweep.stdout or []:
            if "goes on from step" in line:
                assert f"goes on from step {step} of 100000" in line
                break
        else:
            pytest.fail("it did not go on")


def test_a_second_ctrl_c_ends_at_once(tmp_path):
    with started(LONG, tmp_path) as sweep:
        until(lambda: list(tmp_path.glob("runs/*/metrics.jsonl")))
        workers = descendants(sweep.pid)
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)  # it cannot answer
        sweep.send_signal(signal.SIGINT)
        time.sleep(1.0)
        assert sweep.poll() is None
        sweep.send_signal(signal.SIGINT)
        sweep.communicate(timeout=10)
        assert sweep.returncode == 130
        assert not any(Path(f"/proc/{pid}/cwd").exists() for pid in workers)


def test_a_full_disk_is_told_and_nothing_half_written_is_trusted(tmp_path):
    # Files up to 75 MB: enough to unpack language identification, too little for a checkpoint.
    command = [*SWEEP[:1], "lora.r=16384", *SWEEP[2:], "trainer.save_steps=1"]
    with started(command, tmp_path, limit=75_000_000) as sweep:
        told, _ = sweep.communicate(timeout=120)
    assert sweep.returncode == 1
    assert "failed: disk full" in told
    assert states(tmp_path) == ["failed", "finished"]
    code, told = finish(command, tmp_path)
    assert code == 0, told
    assert "goes on from step" not in told


def test_out_of_memory_halves_the_micro_batch_and_keeps_the_effective_batch(tmp_path):
    command = [*SWEEP, "trainer.per_device_train_batch_size=12", "trainer.max_steps=4"]
    fault = {"PYTHONPATH": STARTUP, "TEST_FAULT": "oom:4"}
    code, told = finish(command, tmp_path, **fault)
    assert code == 0, told
    assert "goes on with 6 and 2 accumulation steps" in told
    assert "goes on with 3 and 4 accumulation steps" in told
    for record in records(tmp_path).values():
        assert record["adjusted"] == {
            "per_device_train_batch_size": 3,
            "gradient_accumulation_steps": 4,
        }


def test_a_run_too_large_for_one_pair_fails_with_advice_and_the_others_go_on(tmp_path):
    fault = {"PYTHONPATH": STARTUP, "TEST_FAULT": "oom:0"}
    code, told = finish(SWEEP, tmp_path, **fault)
    assert code == 1
    assert told.count("failed: out of memory, even with one pair at a time") >= 2
    assert "lora=qlora" in told
    assert states(tmp_path) == ["failed", "failed", "finished"]


def test_a_run_that_hangs_is_ended_and_taken_up_again(tmp_path):
    fault = {"PYTHONPATH": STARTUP, "TEST_FAULT": f"hang:{tmp_path / 'hung'}"}
    code, told = finish([*SWEEP, "sweep.timeout=0.4"], tmp_path, **fault)
    assert code == 0, told
    assert "no end after 0.4 minutes (sweep.timeout); it is taken up again" in told
    assert len(records(tmp_path)) == 2
    assert not alive(int((tmp_path / "hung").read_text()))


def test_a_run_that_hangs_too_often_fails_by_name(tmp_path):
    fault = {"PYTHONPATH": STARTUP, "TEST_FAULT": f"hang:{tmp_path / 'hung'}"}
    code, told = finish([*SWEEP, "sweep.timeout=0.4", "sweep.retries=0"], tmp_path, **fault)
    assert code == 1
    assert "failed: lora.r=2: no end after 0.4 minutes" in told
    assert list(records(tmp_path)) == [4]
    assert not alive(int((tmp_path / "hung").read_text()))


def test_a_gradient_that_is_not_finite_ends_the_run_within_the_logging_interval(tmp_path):
    command = ["lora.r=2", *SWEEP[2:], "trainer.max_steps=40", "trainer.logging_steps=5"]
    fault = {"PYTHONPATH": STARTUP, "TEST_FAULT": "gradient:3"}
    code, told = finish(command, tmp_path, **fault)
    assert code == 1
    assert re.search(r"failed: not finite: (loss|grad_norm) is (nan|inf) at step 5;", told), told
    assert states(tmp_path) == ["failed", "finished"]  # the base row is what finished
    assert not records(tmp_path)


def test_on_error_stop_starts_nothing_further(tmp_path):
    command = ["-m", "trainer.learning_rate=1e30,1e-3", *SWEEP[2:], "sweep.on_error=stop"]
    code, told = finish([*command, "trainer.max_steps=4"], tmp_path)
    assert code == 1
    assert "not finite" in told
    assert states(tmp_path) == ["failed", "finished"]


def test_two_identical_commands_at_once_share_the_work(undisturbed, tmp_path):
    with started(STEPS, tmp_path) as one, started(STEPS, tmp_path) as other:
        told = [each.communicate(timeout=120)[0] for each in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0), "".join(told)
    for label in ("lora.r=2", "lora.r=4", "base (untouched)"):
        assert sum(each.count(f"{label}: translate 0/") for each in told) == 1
    assert_equal(tmp_path, undisturbed)


def test_two_workers_on_a_cpu_share_a_group_and_get_the_same_scores(undisturbed, tmp_path):
    code, told = finish([*STEPS, "sweep.workers=2"], tmp_path)
    assert code == 0, told
    assert told.count("Loading tiny_causal") == 2
    assert_equal(tmp_path, undisturbed)
