"""W&B as a mirror: what an offline file holds, and that no outage reaches a run."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mtsweep import cli, tracking
from mtsweep.config import WandbConfig
from mtsweep.record import RunFolder
from mtsweep.tracking import weights_biases
from tests.inprocess import outcomes, work
from tests.standins.wandb_server import WandbServer, talked_to

TINY = ["model=tiny_causal", "trainer=smoke", "data.test_size=6", "data.dev_size=4", "data.size=12"]


def inspected(folder: Path, *flags: str) -> list[dict]:
    """What W&B's own reader finds in the offline file of a run."""
    script = shutil.which("wandb") or str(Path(sys.executable).with_name("wandb"))
    (log,) = folder.glob("wandb/offline-run-*/*.wandb")
    told = subprocess.run(
        [script, "leet", "inspect", "--json", *flags, str(log)],
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]


def records(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("runs/*/record.json"))]


def plain(record: dict) -> dict:
    """Scores and lengths: what a run came to, apart from time and place."""
    return {key: record[key] for key in ("id", "kind", "scores", "degeneration")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A sweep that was mirrored offline, and what it printed; nobody changes anything of it."""
    place = tmp_path_factory.mktemp("mirrored")
    told = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(told):
        patch.chdir(place)
        assert cli.run(["-m", "lora.r=2,4", *TINY, "sweep.name=mirror"]) == 0
    return place, told.getvalue()


def test_an_offline_file_holds_curves_scores_samples_and_names(finished):
    here, _ = finished
    run = next(each for each in records(here) if each["config"]["lora"]["r"] == 4)
    told = "\n".join(json.dumps(each) for each in inspected(here / "runs" / run["id"]))
    for word in (
        "loss",
        "learning_rate",
        "eval_loss",
        "bleu",
        "chrf",
        "base_chrf",
        "chrf_low",
        "chrf_high",
        "samples",
    ):
        assert word in told, word
    for name in (run["id"], "lora.r=4", "mirror", "tiny_causal", "phrasebook", "tiny"):
        assert name in told, name
    assert run["scores"]["chrf"]["signature"] in told


def test_the_sweep_has_a_run_of_its_own_with_comparison_and_report(finished):
    here, _ = finished
    told = "\n".join(json.dumps(each) for each in inspected(here / "sweeps" / "mirror"))
    assert "sweep-mirror" in told
    assert "comparison" in told
    assert "report-sweep-mirror" in told


def test_sweeps_of_one_name_have_runs_of_their_own_that_stay_the_same(tmp_path):
    one, other = (tmp_path / place / "mirror" for place in ("here", "there"))
    for folder in (one, other):
        folder.mkdir(parents=True)
    ids = [tracking._sweep_id(folder) for folder in (one, other, one)]
    assert ids[0] == ids[2] != ids[1]
    assert all(each.startswith("sweep-mirror-") for each in ids)


def test_the_line_to_sync_names_every_run_once(finished, monkeypatch):
    here, told = finished
    monkeypatch.chdir(here)
    (line,) = [line for line in told.splitlines() if "wandb sync" in line]
    paths = line.split("wandb sync ")[1].split()
    assert len(paths) == len(set(paths)) == 4  # the base row, two runs, and the sweep
    assert all((here / path).is_dir() for path in paths)


def test_nothing_of_the_machine_or_the_account_is_tracked(finished):
    here, _ = finished
    for folder in {log.parents[2] for log in here.glob("runs/*/wandb/offline-run-*/*.wandb")}:
        told = "\n".join(json.dumps(each) for each in inspected(folder))
        assert json.dumps(socket.gethostname()) not in told
        assert str(here) not in told


def test_a_server_that_is_away_changes_neither_results_nor_exit_code(
    here, tmp_path_factory, capsys, monkeypatch
):
    monkeypatch.setattr(weights_biases, "_away", set())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, never listening: every connection is refused
        monkeypatch.setattr(weights_biases, "_INIT_SECONDS", 3)
        monkeypatch.setenv("WANDB_MODE", "online")
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert outcomes(work(*TINY, "lora.r=2")) == ["finished"]
    assert cli.run([*TINY, "lora.r=2"]) == 0
    assert "wandb sync runs/" in capsys.readouterr().out
    log = next(here.glob("runs/*/log.txt")).parent.parent
    assert any("W&B online did not start" in path.read_text() for path in log.glob("*/log.txt"))
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    assert outcomes(work(*TINY, "lora.r=2", "tracking=none")) == ["finished"]
    assert [plain(each) for each in records(here)] == [plain(each) for each in records(elsewhere)]


@pytest.fixture
def server(monkeypatch):
    with talked_to(monkeypatch) as made:
        yield made


@pytest.mark.slow
def test_a_server_gets_curves_scores_samples_comparison_and_report(here, server):
    command = ["-m", *TINY, "lora.r=2,4", "sweep.name=mirror", "evaluation.every=2"]
    assert cli.run([*command, "trainer.max_steps=4", "trainer.logging_steps=1"]) == 0
    run = next(each for each in records(here) if each["config"]["lora"]["r"] == 4)
    told = server.runs[run["id"]]
    assert (told["displayName"], told["groupName"]) == ("lora.r=4", "mirror")
    assert {"tiny_causal", "phrasebook", "lora"} == set(told["tags"])
    curves = server.history[run["id"]]
    assert [row["step"] for row in curves if "loss" in row] == [1, 2, 3, 4]
    assert all("learning_rate" in row for row in curves if "loss" in row)
    for name in ("dev_chrf", "dev_bleu"):
        assert [row["step"] for row in curves if name in row] == [2, 4]
    summary = server.summary[run["id"]]
    for name, score in run["scores"].items():
        for key, wanted in {"": "value", "_low": "low", "_high": "high"}.items():
            assert summary[name + key] == pytest.approx(score[wanted])
        assert summary[f"{name}_signature"] == score["signature"]
        assert summary[f"base_{name}"] == pytest.approx(run["base_scores"][name]["value"])
    for name, value in {**run["degeneration"], **run["cost"]}.items():
        assert summary[name] == (None if value is None else pytest.approx(value)), name
    samples = json.loads(server.of_artifact(f"run-{run['id']}-samples")["samples.table.json"])
    assert {"source", "reference", "base", "hypothesis"} < set(samples["columns"])
    assert len(samples["data"]) == 10  # four probes, six test segments
    (sweep,) = set(server.runs) - {each["id"] for each in records(here)}
    files = server.of_artifact(f"report-{sweep}")
    assert files["report.html"] == (here / "sweeps/mirror/report.html").read_bytes()
    assert {"report.md", "table.csv"} < set(files)
    table = json.loads(server.of_artifact(f"run-{sweep}-comparison")["comparison.table.json"])
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    [row] = [each for each in rows if (each["id"], each["metric"]) == (run["id"], "chrF")]
    assert row["value"] == pytest.approx(run["scores"]["chrf"]["value"])
    assert "chrF" in server.summary[sweep]["judgement"]
    assert all(each.committed for each in server.artifacts.values())
    assert server.exit_codes == dict.fromkeys([*(each["id"] for each in records(here)), sweep], 0)
    [link] = run["environment"]["tracking"]
    assert link.startswith(server.url)


@pytest.mark.slow
def test_a_run_that_goes_on_sends_no_step_twice(here, server):
    folder = RunFolder(here / "runs" / "0123456789ab")
    folder.start("")
    told = tracking.Identity(folder.id, "lora.r=8", "ranks", (), {}, folder.path)
    for steps in ((1, 2, 3), (1, 2, 3, 4)):  # the second time after a replay of what there was
        tracker = weights_biases.open_tracker(WandbConfig(use=True), told)
        assert tracker is not None
        for step in steps:
            tracker.log(step, {"loss": 1 / step})
        folder.log_metrics(steps[-1], {"loss": 1.0})
        tracker.finish(None, [])
    assert [row["step"] for row in server.history[folder.id]] == [1, 2, 3, 4]


def dies(server: WandbServer) -> None:
    server.broken = True


def hangs(server: WandbServer) -> None:
    server.released.clear()


@pytest.mark.slow
@pytest.mark.parametrize("fault", [dies, hangs])
def test_a_server_lost_in_the_middle_changes_nothing_but_the_line_to_sync(
    here, tmp_path_factory, server, monkeypatch, capsys, fault
):
    monkeypatch.setattr(weights_biases, "_FINISH_SECONDS", 2)
    log = weights_biases.WandbTracker.log

    def lost(self, step, metrics):
        log(self, step, metrics)
        fault(server)

    monkeypatch.setattr(weights_biases.WandbTracker, "log", lost)
    assert outcomes(work("-m", *TINY, "lora.r=2,4")) == ["finished", "finished"]
    found = {each["kind"] + str(each["config"]["lora"]["r"]): each for each in records(here)}
    assert list(server.exit_codes) == [found["base2"]["id"]]  # it was through before
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert cli.run(["-m", *TINY, "lora.r=2,4"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "wandb sync" in line]
    paths = line.split("wandb sync ")[1].split()
    # The second run did not wait for a server that is lost: it was offline from the start.
    assert [Path(path).parts[3].split("-")[0] for path in paths] == ["run", "offline"]
    for path, key in zip(paths, ("run2", "run4"), strict=True):
        assert found[key]["id"] in path
        assert list((here / path).glob("*.wandb")), path
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    assert outcomes(work("-m", *TINY, "lora.r=2,4", "tracking=none")) == ["finished", "finished"]
    assert [plain(each) for each in records(here)] == [plain(each) for each in records(elsewhere)]


def test_a_tracker_that_breaks_in_the_middle_is_told_in_the_log_only(here, monkeypatch):
    def broken(*_args, **_kwargs):
        raise RuntimeError("the disk of the tracker is full")

    real = weights_biases.WandbTracker.__init__

    def half_made(self, *args):
        real(self, *args)
        self.run.log = broken

    monkeypatch.setattr(weights_biases.WandbTracker, "__init__", half_made)
    assert outcomes(work(*TINY, "lora.r=2")) == ["finished"]
    logs = [path.read_text() for path in here.glob("runs/*/log.txt")]
    assert any("W&B log: the disk of the tracker is full" in log for log in logs)


@pytest.mark.parametrize(
    ("config", "environment", "mode"),
    [
        ({}, {}, "none"),
        ({"use": True}, {}, "offline"),
        ({"use": True}, {"WANDB_API_KEY": "x"}, "online"),
        ({"use": True}, {"WANDB_API_KEY": "x", "WANDB_MODE": "offline"}, "offline"),
        ({"use": True}, {"WANDB_MODE": "disabled"}, "none"),
        ({"use": True, "mode": "offline"}, {"WANDB_API_KEY": "x"}, "offline"),
        ({"use": True, "mode": "online"}, {}, "online"),
    ],
)
def test_the_mode_follows_configuration_environment_and_key(
    tmp_path, monkeypatch, config, environment, mode
):
    monkeypatch.setenv("NETRC", str(tmp_path / "absent"))
    monkeypatch.delenv("WANDB_MODE")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert weights_biases.mode(WandbConfig(**config)) == mode


def test_a_key_in_the_netrc_file_counts(tmp_path, monkeypatch):
    file = tmp_path / "netrc"
    file.write_text("machine api.wandb.ai login user password secret\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    monkeypatch.delenv("WANDB_MODE")
    assert weights_biases.mode(WandbConfig(use=True)) == "online"


_OPENED = """
import sys
from mtsweep.config import WandbConfig
from mtsweep.tracking import Identity, weights_biases
from pathlib import Path
own = Identity("abc", "a", "g", (), {}, Path.cwd())
tracker = weights_biases.open_tracker(WandbConfig(use=True, mode="offline"), own)
assert tracker is not None and tracker.run.id == "abc"
print([name for name in sys.modules if name.startswith("wandb.sdk.launch")])
tracker.finish(None, [])
"""


@pytest.mark.slow
def test_a_run_is_opened_without_the_seconds_of_w_and_b_launch(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _OPENED], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stdout
