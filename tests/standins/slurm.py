"""A Slurm cluster of one machine: ``sbatch`` runs the script, the other programs tell of it.

``lay_out(folder)`` makes the programs, and ``FAKE_SLURM`` (a folder) holds the jobs. A signal goes
to every process of a job's step, as with Slurm's control groups; behind ``scontrol requeue`` the
script starts anew, under the same id. ``FAKE_SLURM_HOLD`` keeps jobs from starting, and nobody
keeps accounts where ``FAKE_SLURM_ACCOUNTS`` is ``no``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = ("sbatch", "srun", "sacct", "scancel", "scontrol", "squeue")


def lay_out(folder: Path) -> dict[str, str]:
    """Put the programs into a folder; returns what the environment must have."""
    programs, jobs = folder / "bin", folder / "jobs"
    programs.mkdir(parents=True)
    jobs.mkdir()
    for name in PROGRAMS:
        script = programs / name
        script.write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(__file__)} {name} "$@"\n'
        )
        script.chmod(0o755)
    return {"PATH": f"{programs}:{os.environ['PATH']}", "FAKE_SLURM": str(jobs)}


def state(jobs: Path, job: str) -> str:
    return (jobs / job / "state").read_text()


def submitted(jobs: Path) -> list[str]:
    return sorted((path.name for path in jobs.iterdir()), key=int)


def signal_step(jobs: Path, job: str, number: int) -> None:
    """Send a signal to every process of a job's step."""
    for pid in _tree(int((jobs / job / "step").read_text())):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def lose_node(jobs: Path, job: str) -> None:
    """What a node's failure does: everything is gone at once."""
    _set(jobs / job, "NODE_FAIL")
    signal_step(jobs, job, signal.SIGKILL)


def _tree(pid: int) -> list[int]:
    try:
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [pid, *(each for child in told.split() for each in _tree(int(child)))]


def _set(job: Path, word: str) -> None:
    draft = job / f"state.{os.getpid()}"
    draft.write_text(word)
    draft.replace(job / "state")


def sbatch(jobs: Path, arguments: list[str]) -> None:
    script = Path(arguments[-1]).read_text()
    if "--partition=nowhere" in script:
        sys.exit("sbatch: error: invalid partition specified: nowhere")
    job = jobs / str(1 + len(list(jobs.iterdir())))
    job.mkdir()
    (job / "script").write_text(script)
    _set(job, "PENDING")
    subprocess.Popen(
        [sys.executable, __file__, "node", job.name],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(job / "node.txt").open("wb"),
    )
    print(f"Submitted batch job {job.name}")


def node(jobs: Path, arguments: list[str]) -> None:
    """What slurmd does: run the script, again if the job was queued again meanwhile."""
    job = jobs / arguments[0]
    while os.environ.get("FAKE_SLURM_HOLD"):
        time.sleep(0.1)
        if not job.exists() or (job / "state").read_text() != "PENDING":
            return
    environment = {**os.environ, "SLURM_JOB_ID": job.name, "SLURM_PROCID": "0"}
    while True:
        _set(job, "RUNNING")
        code = subprocess.run(["bash", job / "script"], env=environment, check=False).returncode
        told = (job / "state").read_text()
        if told == "REQUEUED":
            continue
        if told == "RUNNING":
            _set(job, "FAILED" if code else "COMPLETED")
        return


def srun(jobs: Path, arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--unbuffered", action="store_true")
    parser.add_argument("--output")
    parser.add_argument("--error")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    told = parser.parse_args(arguments)
    job = os.environ["SLURM_JOB_ID"]
    (jobs / job / "step").write_text(str(os.getpid()))
    for path, number in ((told.output, 1), (told.error, 2)):
        with Path(path.replace("%j", job).replace("%t", "0")).open("ab") as file:
            os.dup2(file.fileno(), number)
    os.execvp(told.command[0], told.command)


def sacct(jobs: Path, arguments: list[str]) -> None:
    if os.environ.get("FAKE_SLURM_ACCOUNTS") == "no":
        sys.exit("Slurm accounting storage is disabled")
    asked = [each for flag, each in zip(arguments, arguments[1:], strict=False) if flag == "-j"]
    for job in asked:
        word = state(jobs, job)
        print(f"{job}|{'CANCELLED by 0' if word == 'CANCELLED' else word}")
        print(f"{job}.batch|{word}")


def squeue(jobs: Path, arguments: list[str]) -> None:
    if "--jobs" in arguments:
        print(state(jobs, arguments[arguments.index("--jobs") + 1]))
        return
    for job in submitted(jobs):
        if (word := state(jobs, job)) in {"PENDING", "RUNNING", "REQUEUED"}:
            print(f"{job} {word}")


def scontrol(jobs: Path, arguments: list[str]) -> None:
    verb, job = arguments
    assert verb == "requeue"
    _set(jobs / job, "REQUEUED")


def scancel(jobs: Path, arguments: list[str]) -> None:
    job = arguments[0]
    running = state(jobs, job) == "RUNNING"
    if state(jobs, job) in {"PENDING", "RUNNING"}:
        _set(jobs / job, "CANCELLED")
    if running:
        signal_step(jobs, job, signal.SIGTERM)


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(os.environ["FAKE_SLURM"]), sys.argv[2:])
