"""What the engine costs, side by side with the same work done without it.

``tests/benchmarks/engine.py rivals [STEPS]``: eight LoRA runs of ``tiny_causal`` with scoring, by
one mtsweep command, by a shell loop of ``trl sft`` and a scoring script, and by one process in
plain PEFT.
``engine.py single [STEPS] [MODEL]``: one run of ``tiny_causal`` (or ``smollm2``), and one script
that does the same in plain PEFT (``rivals.py loop``): the same weights, pairs, prompt, LoRA and
TrainingArguments in TRL's SFTTrainer, dev losses on the way, W&B offline, the adapter saved, and
greedy translations of the test set with BLEU and chrF before and after. It reads pairs that were
cleaned and split before, and computes no intervals, signs of degeneration, comparison, pictures or
report; imports count on both sides.
``engine.py cost [STEPS]``: what each further run costs beside its own work: two and eight runs.
``engine.py plan [RUNS]``: naming runs. ``engine.py finished [RUNS]``: a sweep with nothing to do.

Figures are CPU seconds, user and system, of every process that was started; one thread each.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtsweep.config import TrainerConfig

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

RANKS, SEEDS = (2, 4, 8, 16), (1, 2)
BATCH, LIMIT = 100, 64
_SUBREAPER = 36


@dataclass(frozen=True)
class Spent:
    """What a command took."""

    cpu: float
    wall: float


def spent(*commands: list[str], folder: Path, **environment: str) -> Spent:
    """Run commands one after the other; whatever they left behind is waited for and counted."""
    before, began = _children(), time.monotonic()
    told = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", "WANDB_SILENT": "true",
            "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", **environment}  # fmt: skip
    with (folder / "log.txt").open("ab") as log:
        for command in commands:
            done = subprocess.run(
                command, cwd=folder, env=told, stdout=log, stderr=log, check=False
            )
            if done.returncode:
                raise SystemExit(f"{' '.join(command)} failed:\n{(folder / 'log.txt').read_text()}")
    while _orphan():
        pass
    return Spent(_children() - before, time.monotonic() - began)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _orphan() -> bool:
    """Wait for a process that outlived who started it (W&B's service); whether there was one."""
    try:
        os.wait()
    except ChildProcessError:
        return False
    return True


def mtsweep(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mtsweep", *arguments]


def work(folder: Path, command: list[str], settings: list[dict]) -> Path:
    """Lay the same model, pairs and settings out for the rivals; returns what they are told."""
    from mtsweep import plan
    from mtsweep.data.prompts import render
    from mtsweep.models import smollm2, tiny
    from tests.overrides import composed

    run = plan.make(composed(*command, f"output_dir={folder}")).runs[0]
    data, corpus = run.config.data, run.corpus
    languages = data.source_lang, data.target_lang
    model = (
        tiny.obtain("tiny_causal", run.located.revision)
        if run.config.model.source == "tiny"
        else smollm2.obtain(print)
    )
    (folder / "pairs").mkdir()
    for name, pairs in (("train", corpus.train), ("test", corpus.dev)):
        rows = [
            {"prompt": render(run.config.prompt, *languages, pair.source),
             "completion": f" {pair.target}"}
            for pair in pairs
        ]  # fmt: skip
        _lines(folder / "pairs" / f"{name}.jsonl", rows)
    test = [
        {"prompt": render(run.config.prompt, *languages, pair.source), "reference": pair.target}
        for pair in corpus.test
    ]
    _lines(folder / "segments.jsonl", test)
    asked = {"model": str(model), "data": str(folder / "pairs"), "settings": settings,
             "test": str(folder / "segments.jsonl"), "batch": BATCH, "limit": LIMIT,
             "trainer": same(run.config.trainer)}  # fmt: skip
    path = folder / "asked.json"
    path.write_text(json.dumps(asked), encoding="utf-8")
    return path


def _lines(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def trl_sft(asked: dict, setting: dict) -> list[str]:
    """TRL's own command for a setting."""
    lora = {"lora_r": setting["r"], "lora_alpha": 16, "lora_dropout": 0.0,
            "lora_target_modules": "all-linear"}  # fmt: skip
    flags = {"model_name_or_path": asked["model"], "dataset_name": asked["data"], **lora,
             "output_dir": setting["name"], "run_name": setting["name"], "seed": setting["seed"],
             **asked["trainer"]}  # fmt: skip
    program = str(Path(sys.executable).with_name("trl"))
    if not Path(program).exists():
        program = subprocess.run(
            ["which", "trl"], capture_output=True, text=True, check=True
        ).stdout
    told = [part for name, value in flags.items() for part in (f"--{name}", str(value))]
    return [program.strip(), "sft", "--use_peft", *told]


def same(trainer: TrainerConfig) -> dict:
    """What a run trains with, as TrainingArguments say it."""
    own = trainer.model_dump(exclude={"processes"}, exclude_none=True)
    return {**own, "eval_strategy": "steps", "save_strategy": "no", "bf16": False, "use_cpu": True,
            "report_to": "wandb", "disable_tqdm": True, "packing": False}  # fmt: skip


def rivals(steps: int = 20) -> None:
    """Eight LoRA runs three ways."""
    settings = [{"name": f"r{r}-s{seed}", "r": r, "seed": seed} for r in RANKS for seed in SEEDS]
    command = ["-m", f"lora.r={','.join(map(str, RANKS))}", f"seed={','.join(map(str, SEEDS))}",
               "model=tiny_causal", f"trainer.max_steps={steps}",
               f"decoding.max_new_tokens={LIMIT}"]  # fmt: skip
    script = [sys.executable, str(HERE / "rivals.py")]
    with tempfile.TemporaryDirectory() as made:
        ours, shell, plain, stages = (Path(made, name) for name in ("ours", "a", "b", "stages"))
        for folder in (ours, shell, plain, stages):
            folder.mkdir()
        places = {folder: work(folder, command, settings)
                  for folder in (shell, plain)}  # fmt: skip
        told = json.loads(places[shell].read_text())
        a = [[*script, "score", "asked.json"]]
        for setting in settings:
            a += [trl_sft(told, setting), [*script, "score", "asked.json", setting["name"]]]
        hook = {"PYTHONPATH": str(HERE.parent / "startup"), "STAGES": str(stages)}
        pairs = told["trainer"]["per_device_train_batch_size"]
        print(f"8 LoRA runs of tiny_causal, {steps} steps of {pairs} pairs, 100 test segments")
        one = spent(mtsweep(*command), folder=ours, **hook)
        two = spent([*script, "loop", "asked.json"], folder=plain)
        three = spent(*a, folder=shell)
        for name, each in (("mtsweep", one), ("plain PEFT, one process", two),
                           ("shell loop of trl sft", three)):  # fmt: skip
            print(f"  {name:<24} {each.cpu:7.1f} s CPU  {each.wall:7.1f} s wall  "
                  f"{each.cpu / one.cpu:5.2f} x")  # fmt: skip
        breakdown(stages, one.cpu)


def breakdown(folder: Path, whole: float) -> None:
    """What the processes of a sweep spent their time on."""
    total: dict[str, float] = defaultdict(float)
    for path in folder.glob("*.json"):
        for stage, seconds in json.loads(path.read_text()).items():
            total[stage] += seconds
    total["W&B's own process"] = whole - sum(total.values())
    print("mtsweep's time by stage, in seconds of CPU:")
    for stage, seconds in sorted(total.items(), key=lambda item: -item[1]):
        print(f"  {stage:<20} {seconds:6.2f}")


def beside(
    ranks: Sequence[int], seeds: Sequence[int], steps: int, model: str = "tiny_causal",
    stages: bool = False,
) -> tuple[Spent, Spent]:  # fmt: skip
    """The same LoRA runs by mtsweep, and one after the other in plain PEFT."""
    settings = [{"name": f"r{r}-s{seed}", "r": r, "seed": seed} for r in ranks for seed in seeds]
    swept = [f"lora.r={','.join(map(str, ranks))}", f"seed={','.join(map(str, seeds))}"]
    command = [*(["-m"] if len(settings) > 1 else []), *swept, f"model={model}",
               f"trainer.max_steps={steps}", f"decoding.max_new_tokens={LIMIT}"]  # fmt: skip
    with tempfile.TemporaryDirectory() as made:
        ours, plain, told = (Path(made, name) for name in ("ours", "plain", "stages"))
        for folder in (ours, plain, told):
            folder.mkdir()
        work(plain, command, settings)
        hook = {"PYTHONPATH": str(HERE.parent / "startup"), "STAGES": str(told)} if stages else {}
        one = spent(mtsweep(*command), folder=ours, **hook)
        if stages:
            breakdown(told, one.cpu)
        two = spent([sys.executable, str(HERE / "rivals.py"), "loop", "asked.json"], folder=plain)
    print(f"  {len(settings)} runs of {steps} steps: mtsweep {one.cpu:.1f} s CPU, {one.wall:.1f} s "
          f"wall; plain PEFT {two.cpu:.1f} s CPU, {two.wall:.1f} s wall")  # fmt: skip
    return one, two


def single(steps: int = 300, model: str = "tiny_causal") -> None:
    """One run against the bare trainer with the same settings, base row and scores."""
    one, two = beside(RANKS[:1], SEEDS[:1], steps, model, "STAGES" in os.environ)
    print(f"mtsweep takes {one.cpu / two.cpu - 1:+.1%} CPU time")


def cost(steps: int = 1) -> None:
    """What a run adds beyond what plain PEFT adds for the same work."""
    few, many = beside(RANKS[:2], SEEDS[:1], steps), beside(RANKS, SEEDS, steps)
    added = [(after.cpu - before.cpu) / 6 for before, after in zip(few, many, strict=True)]
    print(f"each further run: {added[0]:.2f} s CPU, in plain PEFT {added[1]:.2f} s")


def grid(runs: int, folder: Path) -> list[str]:
    """Overrides of so many runs: ranks, with twenty seeds each."""
    ranks, seeds = range(1, runs // 20 + 1), range(1, 21)
    return ["-m", "model=tiny_causal", f"lora.r={','.join(map(str, ranks))}",
            f"seed={','.join(map(str, seeds))}", f"output_dir={folder}"]  # fmt: skip


def plan(runs: int = 1000) -> None:
    """Name runs, and look for what is finished."""
    with tempfile.TemporaryDirectory() as made:
        took = spent(mtsweep("plan", *grid(runs, Path(made))), folder=Path(made))
    print(f"the plan of {runs:,} runs: {took.wall:.2f} s, {took.cpu:.2f} s CPU")


def finished(runs: int = 1000) -> None:
    """The command of a finished sweep, given once (the report is made) and once more."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        finish(grid(runs, folder))
        for title in ("with its report to be made", "with nothing to do"):
            took = spent(mtsweep(*grid(runs, folder)), folder=folder)
            print(f"{runs:,} finished records, {title}: {took.wall:.2f} s, {took.cpu:.2f} s CPU")


def finish(command: list[str]) -> None:
    """Records with predictions of 100 segments and their counts for every run of a command."""
    from mtsweep import plan as plans
    from mtsweep.evaluation.segments import count
    from tests.overrides import composed
    from tests.records import record

    draw = random.Random(1)
    for run in plans.make(composed(*command)).runs:
        shown = {run.base_folder: "base", run.folder: "run"}
        for folder, kind in shown.items():
            if folder.path.exists():
                continue
            folder.path.mkdir(parents=True)
            rows = [
                {"id": pair.id, "source": pair.source, "reference": pair.target, "stopped": True,
                 "hypothesis": " ".join(w for w in pair.target.split() if draw.random() < 0.7),
                 "tokens": 5, "origin": pair.origin} for pair in run.corpus.test
            ]  # fmt: skip
            folder.write_predictions("test", rows)
            counted = count(rows, run.corpus.target_lang, run.config.evaluation.metrics)
            counted.keep(folder.path, "test")
            made = record(
                folder.id, kind, config=run.config.model_dump(mode="json"), base_id=run.base_id,
                scores=counted.scores(), data={"test_fingerprint": run.corpus.test_fingerprint},
                train_id=run.train_id if kind == "run" else None,
            )  # fmt: skip
            folder.finish(made)


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(_SUBREAPER, 1)
    what, *rest = sys.argv[1:] or ["rivals"]
    modes = {"rivals": rivals, "single": single, "cost": cost, "plan": plan, "finished": finished}
    modes[what](*(int(each) if each.isdecimal() else each for each in rest))
