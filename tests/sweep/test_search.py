"""Searches without a model: what runs would come to is computed, their records are made up."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
import yaml

from mtsweep import cli, compose
from mtsweep.errors import MissingExtraError, UserError
from mtsweep.plan import Run
from mtsweep.report import entries
from mtsweep.sweep import searches, study
from mtsweep.sweep.search import Search
from tests.records import record

COMMAND = [
    "-m", "sweep=optuna", "model=tiny_causal", "trainer=smoke", "tracking=none", "sweep.name=s",
    "trainer.learning_rate=tag(log, interval(1e-5,1e-1))", "lora.r=choice(4,8,16)",
]  # fmt: skip


MADE_UP = record()


def best_near(run: Run) -> float:
    """The farther from rank 8 and 2e-3, the lower."""
    rate, rank = run.config.trainer.learning_rate, run.config.lora.r
    return 50 - 5 * abs(math.log10(rate / 2e-3)) - abs(rank - 8)


@dataclass
class Command:
    """A command, and the runs that its workers did."""

    prepared: searches.Prepared
    search: Search
    value: Callable[[Run], float] = best_near
    done: list[Run] = field(default_factory=list)
    waiting: list[Run] = field(default_factory=list)

    def work(self, runs: int = 10_000, workers: int = 1) -> None:
        """Do at most so many runs, with so many under way at a time."""
        while runs and self.search.open:
            hands = workers - len(self.waiting)
            for group in self.search.more(hands) if hands else ():
                self.waiting.extend(group.runs)
            if self.waiting:
                self.end(self.waiting.pop(0))
                runs -= 1

    def end(self, run: Run) -> None:
        self.done.append(run)
        value = self.value(run)
        if math.isnan(value):
            self.search.failed(run, "not finite")
            return
        finish(run, value)
        self.search.finished(run)

    @property
    def trials(self) -> list[study.Trial]:
        return self.search.study.trials()


def finish(run: Run, value: float) -> None:
    for folder, kind in ((run.folder, "run"), (run.base_folder, "base")):
        folder.start("")
        chosen = {"metric": run.config.sweep.metric, "value": value, "step": 1}
        folder.finish(MADE_UP.model_copy(update={"id": folder.id, "kind": kind, "chosen": chosen}))


@cache
def asked(*arguments: str) -> object:
    """Hydra takes 0.2 s."""
    return compose.asked(arguments, lambda _: None)


def command(*arguments: str, base: list[str] = COMMAND) -> Command:
    found = asked(*base, *arguments)
    assert isinstance(found, compose.Search)
    prepared = searches.prepare(found)
    prepared.corners.folder.mkdir(parents=True, exist_ok=True)
    return Command(prepared, searches.begin(prepared, prepared.study()))


def settings(made: Command) -> list[tuple[int, float]]:
    return [(run.config.lora.r, run.config.trainer.learning_rate) for run in made.done]


@pytest.mark.slow
def test_a_search_finds_what_is_good_and_every_trial_is_another_setting(here):
    made = command("sweep.trials=20")
    made.work()
    assert len(made.trials) == 20
    assert len(set(settings(made))) == 20
    first, last = settings(made)[:8], settings(made)[-8:]
    near = [sum(r == 8 and 2e-4 < rate < 2e-2 for r, rate in part) for part in (first, last)]
    assert near[1] > near[0]
    found = searches.outcome(made.prepared, made.search.study)
    assert found.best is not None
    assert found.best.value == max(best_near(run) for run in made.done)
    assert found.plan.runs[0].id in found.best.runs
    assert found.importances.keys() == {"trainer.learning_rate", "lora.r"}


@pytest.mark.slow
def test_the_same_seed_proposes_the_same_settings_and_another_others(here):
    proposed = []
    for seed in (0, 0, 1):
        made = command(f"sweep.name=s{len(proposed)}", f"sweep.seed={seed}", "sweep.trials=4")
        made.work()
        proposed.append([trial.point for trial in made.trials])
    assert proposed[0] == proposed[1] != proposed[2]


def test_a_search_that_was_killed_goes_on_as_if_it_had_not_been(here):
    whole = command("output_dir=whole", "sweep.trials=11")
    whole.work()
    first = command("sweep.trials=11")
    first.work(runs=5)
    (left,) = first.search.more(1)  # handed to a worker, and nobody heard of it again
    assert [trial.state for trial in first.trials] == ["finished"] * 5 + ["open"]
    second = command("sweep.trials=11")
    second.work()
    assert {trial.state for trial in second.trials} == {"finished"}
    assert [trial.point for trial in second.trials] == [trial.point for trial in whole.trials]
    assert second.done[0].id == left.runs[0].id
    assert not {run.id for run in first.done} & {run.id for run in second.done}


def test_what_is_finished_is_known_by_its_record_and_not_done_again(here):
    first = command("sweep.trials=6")
    first.work()
    assert len(first.done) == 6
    again = command("sweep.trials=6")
    assert not again.search.open
    other = command("sweep.trials=6", "sweep.name=other")
    other.work()
    assert other.done == []
    assert [trial.value for trial in other.trials] == [trial.value for trial in first.trials]
    more = command("sweep.trials=8")
    more.work()
    assert len(more.done) == 2


def test_a_free_worker_gets_the_next_trial_without_a_barrier(here):
    made = command("sweep.trials=9")
    slow, quick = (group.runs[0] for group in made.search.more(2))
    made.end(quick)
    for _ in range(7):
        ((next_run,),) = [group.runs for group in made.search.more(1)]
        made.end(next_run)
    assert made.search.more(1) == []
    assert made.search.open
    made.end(slow)
    assert not made.search.open
    assert len(made.trials) == 9


@pytest.mark.slow
def test_seeds_are_the_replicates_of_a_trial_which_is_their_mean(here):
    made = command("seed=1,2,3", "sweep.trials=4")
    made.value = lambda run: best_near(run) + run.config.seed
    made.work(workers=2)
    assert len(made.done) == 12
    for trial in made.trials:
        runs = [run for run in made.done if run.id in trial.runs]
        assert len(runs) == 3
        assert trial.value == pytest.approx(best_near(runs[0]) + 2)


def test_a_loss_is_better_when_it_is_lower(here):
    made = command("sweep.metric=eval_loss", "sweep.trials=4")
    made.work()
    best = searches.outcome(made.prepared, made.search.study).best
    assert best is not None
    assert best.value == min(best_near(run) for run in made.done)


def test_a_finite_space_ends_when_every_setting_was_tried(here):
    made = command("sweep.trials=20", base=[*COMMAND[:-2], "lora.r=range(2,6,2)", "lora=lora,dora"])
    said = []
    made.search.say = said.append
    made.work()
    assert len(made.trials) == len(made.done) == 4
    assert said[-1] == "every setting of the space has been tried"


@pytest.mark.slow
def test_a_failed_trial_is_tried_again_by_the_next_command(here):
    first = command("sweep.trials=4")
    first.value = lambda run: math.nan if len(first.done) == 2 else best_near(run)
    first.work()
    assert [trial.state for trial in first.trials].count("failed") == 1
    lost = first.done[1].id
    second = command("sweep.trials=4")
    second.work()
    assert [run.id for run in second.done] == [lost]
    assert [trial.state for trial in second.trials] == ["finished"] * 4


@pytest.mark.parametrize(
    "change",
    [
        "lora.r=choice(4,8)",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("sweep.metric=bleu", "seed=1,2")),
        "data.size=100",
    ],
)
def test_another_search_under_the_same_name_is_refused(here, change):
    command("sweep.trials=2").work()
    with pytest.raises(UserError, match=r"sweep\.name: .*study\.db holds a search of another"):
        command(change)


def test_a_file_that_is_no_study_is_refused_by_name(here):
    path = Path("sweeps/s/study.db")
    path.parent.mkdir(parents=True)
    path.write_text("no database", encoding="utf-8")
    with pytest.raises(UserError, match=r"study\.db: no search that this version reads"):
        command()


def test_another_space_without_a_name_has_another_folder(here):
    unnamed = [each for each in COMMAND if not each.startswith("sweep.name")]
    one, two = command(base=unnamed), command("lora.r=4,8", base=unnamed)
    assert one.prepared.corners.name.startswith("tiny_causal-phrasebook-search-")
    assert one.prepared.corners.name != two.prepared.corners.name
    assert command("sweep.trials=3", base=unnamed).prepared.corners.name == (
        one.prepared.corners.name
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["data.target_lang=deu_Latn,fra_Latn"], "the space changes the dev set"),
        (["prompt=brief,chat", "sweep.metric=eval_loss"], "losses of different models or prompts"),
        (["lora.r=choice(4,-8)"], "should be greater than 0"),
        (["data.size=100,100000"], "pairs asked for"),
    ],
)
def test_corners_that_cannot_be_or_be_compared_are_told_before_anything_starts(
    here, arguments, complaint
):
    with pytest.raises(UserError, match=complaint):
        command(*arguments)
    assert not Path("sweeps").exists()


def test_without_optuna_the_extra_is_named(here, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mtsweep\[optuna\]'"):
        command()


def watch(made: Command, run: Run, looks: int = 9) -> str:
    """Train a run as a worker would: look, ask, and end as told."""
    assert made.search.watched(run)
    value = made.value(run)
    for step in range(10, 10 * looks, 10):
        if not made.search.looked(run, step, value - 5 / step):
            run.folder.start("")
            run.folder.prune(step, value, f"at step {step}")
            made.search.pruned(run, f"at step {step}")
            return "pruned"
    made.end(run)
    return "finished"


def next_run(made: Command) -> Run:
    ((run,),) = [group.runs for group in made.search.more(1)]
    return run


@pytest.mark.slow
def test_trials_that_fall_behind_are_pruned_and_the_best_is_trained_through(here):
    made = command("sweep.trials=12", "sweep.pruner=halving", "sweep.reduction=2")
    ended = []
    while made.search.open:
        run = next_run(made)
        ended.append((watch(made, run), made.value(run)))
    pruned = [value for how, value in ended if how == "pruned"]
    finished = [value for how, value in ended if how == "finished"]
    assert len(pruned) > len(finished) > 0
    assert max(value for _, value in ended) in finished
    found = searches.outcome(made.prepared, made.search.study)
    assert found.counts == {"pruned": len(pruned), "finished": len(finished)}
    assert [run.folder.state for run in found.plan.runs] == (
        ["finished"] * len(finished) + ["pruned"] * len(pruned)
    )
    assert set(found.pruned.values()) <= {f"at step {step}" for step in range(10, 90, 10)}
    assert not command("sweep.trials=12").search.open


def test_of_several_seeds_the_first_is_watched_and_the_others_wait_for_it(here):
    made = command("sweep.trials=3", "sweep.pruner=halving", "seed=1,2,3")
    first = next_run(made)
    assert first.config.seed == 1
    assert made.search.watched(first)
    other = next_run(made)
    assert other.config.seed == 1
    assert watch(made, first) == "finished"
    others = [run for group in made.search.more(1) for run in group.runs]
    assert [run.config.seed for run in others] == [2, 3]
    assert not any(map(made.search.watched, others))
    made.value = lambda _: -100.0
    assert watch(made, other) == "pruned"
    rows = searches.outcome(made.prepared, made.search.study).plan.runs
    assert [run.id for run in rows] == [other.id]


def test_a_look_that_is_repeated_after_an_interruption_counts_once(here):
    first = command("sweep.trials=2", "sweep.pruner=halving")
    run = next_run(first)
    assert first.search.looked(run, 10, 20.0)
    second = command("sweep.trials=2", "sweep.pruner=halving")
    again = next_run(second)
    assert again.id == run.id
    assert second.search.looked(again, 10, 20.0)
    assert second.search.looked(again, 20, 21.0)
    second.end(again)
    assert [trial.state for trial in second.trials] == ["finished"]


def test_a_run_that_was_pruned_before_anybody_was_told_is_not_trained_again(here):
    first = command("sweep.trials=2", "sweep.pruner=halving")
    run = next_run(first)
    run.folder.start("")
    run.folder.prune(10, 1.0, "at step 10, dev chrF 1.0")
    second = command("sweep.trials=2", "sweep.pruner=halving")
    second.work()
    assert [trial.state for trial in second.trials] == ["pruned", "finished"]
    assert second.trials[0].reason == "at step 10, dev chrF 1.0"
    assert run.id not in [each.id for each in second.done]


@pytest.mark.parametrize("pruner", ["null", pytest.param("hyperband", marks=pytest.mark.slow)])
def test_another_pruner_goes_on_with_the_same_search(here, pruner):
    command("sweep.trials=3", "sweep.pruner=halving").work()
    made = command("sweep.trials=5", f"sweep.pruner={pruner}")
    while made.search.open:
        run = next_run(made)
        assert made.search.watched(run) == (pruner != "null")
        made.end(run) if pruner == "null" else watch(made, run)
    assert len(made.trials) == 5


@pytest.mark.slow
def test_the_end_is_told_again_without_training_and_the_dev_set_alone_chooses(
    here, capsys, monkeypatch
):
    monkeypatch.setattr("mtsweep.sweep.engine.drive", lambda *_: pytest.fail("it started"))
    made = command("sweep.trials=9", "sweep.pruner=halving", "sweep.reduction=2")
    while made.search.open:
        watch(made, next_run(made))
    assert cli.run([*COMMAND, "sweep.trials=9", "sweep.pruner=halving"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    states = [trial.state for trial in made.trials]
    assert f"9 trials: {states.count('finished')} finished, {states.count('pruned')} pruned." in out
    best = made.search.best
    assert best is not None
    chosen = f"Best by the dev set: trainer.learning_rate={best.point['++trainer.learning_rate']}"
    assert chosen in out
    assert "on the test set, which had no say, BLEU 31.5, chrF 55.0" in out
    told = yaml.safe_load(Path("sweeps/s/sweep.yaml").read_text(encoding="utf-8"))
    trial = made.trials[best.number]
    assert told["search"]["chosen"] == list(trial.runs)
    assert told["runs"][0] == trial.runs[0]
    report = entries.read(Path("sweeps/s"))
    assert report.chosen == trial.runs
    assert len(report.pruned) == states.count("pruned")
    assert report.failed == []
    assert chosen in Path("sweeps/s/report.md").read_text(encoding="utf-8").replace("\\_", "_")


def test_a_plan_says_what_can_be_said_of_a_search(here, capsys):
    search = [*COMMAND, "sweep.trials=9", "seed=1,2"]
    for line in (["plan", *search], [*search, "sweep.dry_run=true"]):
        assert cli.run(line) == 0
        out = " ".join(capsys.readouterr().out.split())
        assert "9 trials, each the mean of 2 seeds" in out
        assert "trainer.learning_rate: from 1e-05 to 0.1, log scale" in out
        assert "lora.r: one of 4, 8, 16" in out
        assert "pruning successive halving: one of 3 goes on" in out
        assert "at most 18 runs of" in out
        assert not Path("sweeps").exists()


@pytest.mark.parametrize(
    ("told", "count"),
    [("sweep.at_once=2", 2), ("hydra/launcher=submitit_slurm", 4), ("hydra/launcher=joblib", 7)],
)
def test_no_more_trials_are_under_way_than_may_be_and_a_cluster_does_not_get_all_at_once(
    told, count, here
):
    made = command(told)
    given = [run for group in made.search.more(7) for run in group.runs]
    assert len(given) == count
    made.end(given[0])
    assert len(made.search.more(1)) == 1
