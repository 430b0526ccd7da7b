"""Trackio as a mirror, read back through its own storage."""

from __future__ import annotations

import importlib.util

import pytest

from mtsweep import cli, tracking
from mtsweep import plan as plans
from mtsweep.config import TrackingConfig, TrackioConfig
from mtsweep.errors import MissingExtraError
from mtsweep.record import RunFolder
from mtsweep.tracking import Identity, Outcome, local, weights_biases
from tests.overrides import composed, job
from tests.records import record, score

PROJECT = "mtsweep"
BOTH = TrackingConfig.model_validate({"wandb": {"use": True}, "trackio": {"use": True}})


@pytest.fixture
def storage(here, monkeypatch):
    """Trackio's storage in the working directory; Trackio itself looks for it once a process."""
    sqlite_storage = pytest.importorskip("trackio.sqlite_storage")
    from trackio import utils

    monkeypatch.setenv("TRACKIO_DIR", str(here / "trackio"))
    for module in (sqlite_storage, utils):
        monkeypatch.setattr(module, "TRACKIO_DIR", here / "trackio")
    return sqlite_storage.SQLiteStorage


@pytest.fixture
def folder(here):
    made = RunFolder(here / "runs" / "0123456789ab")
    made.start("")
    return made


def opened(folder: RunFolder) -> local.LocalTracker:
    told = Identity(
        folder.id, "lora.r=8", "ranks", ("tiny", "phrasebook"), {"lora": {"r": 8}}, folder.path
    )
    return local.LocalTracker(TrackioConfig(use=True), told)


def logged(storage, run_id: str) -> list[dict]:
    return storage.get_logs(PROJECT, run_id=run_id)


def steps(storage, run_id: str, name: str) -> list[tuple[int, float]]:
    return [(row["step"], row[name]) for row in logged(storage, run_id) if name in row]


def test_curves_scores_behaviour_samples_and_names_are_there(storage, folder):
    tracker = opened(folder)
    for step in (10, 20):
        tracker.log(step, {"loss": 3.0 / step, "learning_rate": 1e-3, "grad_norm": 2.0})
        tracker.log(step, {"eval_loss": 2.0, "dev_chrf": 30.0})
    made = record(folder.id, also={"legal": {"chrf": score(20.0)}},
                  parts={"eng_Latn-spa_Latn": {"chrf": score(40.0)}})  # fmt: skip
    tracker.finish(made, [{"source": "Hi <b>", "base": "Hi", "tuned": "Hola"}])
    assert storage.get_run_records(PROJECT)[0]["id"] == folder.id
    assert storage.get_runs(PROJECT) == ["lora.r=8"]
    assert steps(storage, folder.id, "loss") == [(10, 0.3), (20, 0.15)]
    assert steps(storage, folder.id, "dev_chrf") == [(10, 30.0), (20, 30.0)]
    assert steps(storage, folder.id, "more/grad_norm") == [(10, 2.0), (20, 2.0)]
    last = logged(storage, folder.id)[-1]
    assert last["step"] == 20
    for name, value in {
        "chrf": 55.0,
        "interval/chrf_low": 53.5,
        "interval/chrf_high": 56.5,
        "base_chrf": 50.0,
        "behaviour/stopped": 0.98,
        "cost/trainable_parameters": 4_880_000,
        "also/legal/chrf": 20.0,
        "part/eng_Latn-spa_Latn/chrf": 40.0,
    }.items():
        assert last[name] == value, name
    assert last["samples"]["_value"] == [{"source": "Hi <b>", "base": "Hi", "tuned": "Hola"}]
    config = storage.get_run_config(PROJECT, run_id=folder.id)
    assert config["_Group"] == "ranks"
    assert config["lora.r"] == 8
    assert config["test.chrf_signature"] == made.scores["chrf"].signature


def test_a_run_that_goes_on_stays_one_run_without_doubled_steps(storage, folder):
    first = opened(folder)
    for step in (10, 20, 30):
        folder.log_metrics(step, {"loss": 1.0})
        first.log(step, {"loss": 1.0})
    first.finish(None, [])  # interrupted
    second = opened(folder)
    for figures in folder.rewind_metrics(20):  # as the training does: from its last checkpoint
        second.log(int(figures["step"]), {"loss": figures["loss"]})
    for step in (30, 40):
        second.log(step, {"loss": 1.0})
    second.finish(record(folder.id), [])
    assert [step for step, _ in steps(storage, folder.id, "loss")] == [10, 20, 30, 40]
    assert len(storage.get_run_records(PROJECT)) == 1


def test_a_run_that_begins_anew_leaves_nothing_of_its_earlier_start(storage, folder):
    first = opened(folder)
    first.log(10, {"loss": 9.0})
    first.finish(record(folder.id, scores={"chrf": score(1.0)}), [])
    second = opened(folder)  # without metrics.jsonl: the folder was removed, and made again
    second.log(10, {"loss": 1.0})
    second.finish(record(folder.id), [])
    assert steps(storage, folder.id, "loss") == [(10, 1.0)]
    assert steps(storage, folder.id, "chrf") == [(10, 55.0)]


def test_on_a_network_file_system_rows_go_into_files_that_the_dashboard_takes_in(
    storage, folder, monkeypatch
):
    from trackio import fragments

    monkeypatch.setenv("TRACKIO_STORAGE_MODE", "jsonl")
    for _ in range(2):  # the second time as a run that goes on
        tracker = opened(folder)
        tracker.log(10, {"loss": 0.5})
        folder.log_metrics(10, {"loss": 0.5})
        tracker.finish(record(folder.id), [])
    assert storage.get_projects() == []
    fragments.import_inbox_dir()
    assert steps(storage, folder.id, "loss") == [(10, 0.5)]
    assert steps(storage, folder.id, "chrf") == [(10, 55.0)]
    assert storage.get_run_config(PROJECT, run_id=folder.id)["lora.r"] == 8


def test_the_comparison_of_a_sweep_has_numbers_and_ids_that_stay_words(storage, here):
    place = here / "sweeps" / "ranks"
    place.mkdir(parents=True)
    outcome = Outcome(
        [["run", "id", "value"], ["lora.r=8", "123456789012", "30.5"],
         ["base", "12e456789012", ""]],
        ["lora.r=8 is tied with <i>base</i>."], [],
    )  # fmt: skip
    only = TrackingConfig(trackio=TrackioConfig(use=True))
    tracking.publish(only, place, outcome)
    [link] = tracking.publish(only, place, outcome)  # after another run: in place of the first
    assert link == f"TRACKIO_DIR={here / 'trackio'} trackio show --project mtsweep"
    [told] = storage.get_run_records(PROJECT)
    [row] = logged(storage, told["id"])
    assert told["name"] == "ranks"
    assert row["comparison"]["_value"] == [
        {"run": "lora.r=8", "id": "123456789012", "value": 30.5},
        {"run": "base", "id": "12e456789012", "value": None},
    ]
    assert row["judgement"]["_value"] == outcome.judgement[0]


def test_storage_that_is_locked_or_full_holds_no_run_up_and_is_tried_again_at_the_end(
    storage, folder, monkeypatch, caplog
):
    tracker = opened(folder)
    tries = []
    real = storage.bulk_log

    def full(**_told):
        tries.append(1)
        raise OSError("no space left on device")

    monkeypatch.setattr(local, "_FLUSH_SECONDS", 0.0)
    monkeypatch.setattr(storage, "bulk_log", full)
    tracker._next = 0.0
    for step in range(5):
        tracker.log(step, {"loss": 1.0})
    assert len(tries) == 1  # and not again for a minute
    assert "Trackio log: no space left on device" in caplog.text
    monkeypatch.setattr(storage, "bulk_log", real)
    tracker.finish(record(folder.id), [])
    assert [step for step, _ in steps(storage, folder.id, "loss")] == [0, 1, 2, 3, 4]


def test_a_tracker_that_does_not_start_leaves_the_other_alone(folder, monkeypatch, caplog):
    """Whichever of the two it is."""

    class Fine:
        link = "wandb sync somewhere"

    def broken(*_told):
        raise RuntimeError("no such table")

    told = Identity(folder.id, "x", "y", (), {}, folder.path)
    monkeypatch.setattr(weights_biases, "WandbTracker", lambda *_told: Fine())
    monkeypatch.setattr(local, "LocalTracker", broken)
    assert tracking.open_trackers(BOTH, told).links == ["wandb sync somewhere"]
    assert "Trackio did not start: no such table" in caplog.text
    monkeypatch.setattr(weights_biases, "_away", set())
    monkeypatch.setattr(weights_biases, "WandbTracker", broken)
    monkeypatch.setattr(weights_biases, "_tear_down", lambda: None)
    monkeypatch.setattr(local, "LocalTracker", lambda *_told: Fine())
    assert len(tracking.open_trackers(BOTH, told).trackers) == 1


def test_a_missing_package_is_told_before_anything_is_loaded(here, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "trackio" else find(name)
    )
    with pytest.raises(MissingExtraError, match=r"pip install 'mtsweep\[trackio\]'"):
        plans.make([job({"model": "tiny_causal", "tracking": "trackio"})])


@pytest.mark.parametrize(
    ("options", "used"),
    [
        ("tracking=trackio", (False, True)),
        ("tracking=wandb", (True, False)),
        ("tracking=none", (False, False)),
        ("tracking=[wandb,trackio]", (True, True)),
        ("tracking=[trackio,wandb]", (True, True)),
    ],
)
def test_trackers_are_chosen_one_or_several(here, options, used):
    [one] = composed(options, "tracking.trackio.project=mine", "tracking.wandb.entity=team")
    told = one.config.tracking
    assert (told.wandb.use, told.trackio.use) == used
    assert (told.trackio.project, told.wandb.entity) == ("mine", "team")


def test_records_of_the_time_of_one_tracker_are_read():
    old = {"name": "wandb", "mode": "offline", "project": "theirs", "entity": None}
    told = TrackingConfig.model_validate(old)
    assert (told.wandb.use, told.wandb.mode, told.wandb.project) == (True, "offline", "theirs")
    assert not TrackingConfig.model_validate({**old, "name": "none"}).wandb.use


TINY = ["model=tiny_causal", "trainer=smoke", "data.test_size=6", "data.dev_size=4", "data.size=12",
        "evaluation.every=2"]  # fmt: skip


@pytest.mark.slow
def test_a_sweep_is_mirrored_to_both_and_ends_with_the_line_to_open_it(storage, here, capsys):
    command = ["-m", "lora.r=2,4", *TINY, "sweep.name=mirror", "tracking=[wandb,trackio]"]
    assert cli.run(command) == 0
    told = capsys.readouterr().out
    assert "W&B offline and Trackio" in told
    [line] = [line for line in told.splitlines() if "trackio show" in line]
    assert line.split()[0] == "open"
    assert "wandb sync" in told
    found = {each["name"]: each["id"] for each in storage.get_run_records(PROJECT)}
    assert set(found) == {"base (untouched)", "lora.r=2", "lora.r=4", "mirror"}
    run = found["lora.r=4"]
    folder = RunFolder(here / "runs" / run)
    mine = folder.record()
    assert mine is not None
    lines = (folder.path / "metrics.jsonl").read_text().splitlines()
    rows = logged(storage, run)
    assert len(rows) == len(lines) + 1
    assert rows[-1]["chrf"] == mine.scores["chrf"].value
    assert any("dev_chrf" in row for row in rows)
    assert len(rows[-1]["samples"]["_value"]) == 10  # four probes, six test segments
    [sweep] = logged(storage, found["mirror"])
    assert {row["run"] for row in sweep["comparison"]["_value"]} == {"base", "lora.r=2", "lora.r=4"}
    assert "chrF" in sweep["judgement"]["_value"]
