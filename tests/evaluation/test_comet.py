"""COMET in a process of its own: a small model behind unbabel-comet's own calls."""

from __future__ import annotations

import json
import sys

import pytest

from mtsweep import cli
from mtsweep.compare import compare
from mtsweep.errors import RunFailedError
from mtsweep.evaluation import segments
from mtsweep.evaluation.comet import Comet, complete
from tests.compare.test_compare import put, sweep

PACKAGE = '''
import json, os
from pathlib import Path

def download_model(name):
    assert name == "Small/model", name
    return name

def load_from_checkpoint(path):
    return Model()

class Model:
    """Scores the share of words that are right."""

    def predict(self, samples, batch_size, gpus, progress_bar):
        log = Path(os.environ["COMET_LOG"])
        with log.open("a") as out:
            out.writelines(json.dumps(each) + "\\n" for each in samples)
        if os.environ.get("COMET_FAILS"):
            raise RuntimeError("no memory left")
        return {"scores": [self.score(each) for each in samples]}

    def score(self, each):
        said, wanted = each["mt"].split(), each["ref"].split()
        return sum(a == b for a, b in zip(said, wanted)) / max(len(said), len(wanted), 1)
'''


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A Python of its own, with a package comet whose model counts right words."""
    package = tmp_path / "elsewhere"
    (package / "comet").mkdir(parents=True)
    (package / "comet/__init__.py").write_text(PACKAGE)
    (package / "torch.py").write_text("class cuda:\n    is_available = staticmethod(bool)\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={package} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("COMET_LOG", str(tmp_path / "log"))
    return Comet("Small/model", str(python))


@pytest.fixture
def three(tmp_path):
    """A base row, and two runs that say the same."""
    return [
        put(tmp_path, "b" * 12, 0.9, seed=9, kind="base"),
        put(tmp_path, "1" * 12, 0.3, {"lora.r": 8}, seed=1),
        put(tmp_path, "2" * 12, 0.3, {"lora.r": 16}, seed=1),
    ]


def asked_for(tmp_path):
    return [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]


def test_each_text_is_scored_once_over_all_runs_and_never_again(small, three, tmp_path):
    done = complete(three, small, tmp_path)
    first = asked_for(tmp_path)
    texts = {(each["src"], each["mt"], each["ref"]) for each in first}
    assert len(first) == len(texts)
    rows = [row for folder, _ in three for row in segments.rows(folder.path, "test")]
    assert texts == {(row["source"], row["hypothesis"], row["reference"]) for row in rows}
    for folder, record in done:
        assert folder.record() == record
        score = record.scores["comet"]
        assert score.signature == "comet:unknown|model:Small/model|scale:100"
        assert score.low is not None
        assert score.high is not None
        assert score.low < score.value < score.high
    assert done[1][1].scores["comet"] == done[2][1].scores["comet"]
    assert complete(done, small, tmp_path) == done
    # Another run that says something new asks for that alone.
    more = put(tmp_path, "3" * 12, 0.3, {"lora.r": 32}, seed=2)
    complete([*done, more], small, tmp_path)
    again = asked_for(tmp_path)[len(first) :]
    assert 0 < len(again) < 80
    assert not texts & {(each["src"], each["mt"], each["ref"]) for each in again}


def test_runs_are_judged_by_it(small, three, tmp_path):
    told = compare(complete(three, small, tmp_path), "comet")
    assert told.metrics[0] == "comet"
    assert told.verdicts[0].best in {"1" * 12, "2" * 12}
    assert set(told.verdicts[0].tied) == {"1" * 12, "2" * 12}


def test_a_process_that_fails_is_told_with_its_last_words(small, three, tmp_path, monkeypatch):
    monkeypatch.setenv("COMET_FAILS", "yes")
    with pytest.raises(RunFailedError, match="no memory left"):
        complete(three, small, tmp_path)
    assert "comet" not in three[0][0].record().scores
    monkeypatch.delenv("COMET_FAILS")
    assert "comet" in complete(three, small, tmp_path)[0][1].scores


def test_the_command_scores_a_sweep_that_has_finished(small, three, tmp_path, capsys):
    sweep(tmp_path, "ranks", ["1" * 12, "2" * 12], base="b" * 12)
    command = ["comet", "ranks", "--model", "Small/model", "--output-dir", str(tmp_path)]
    assert cli.run([*command, "--python", str(small.python)]) == 0
    assert capsys.readouterr().out.count("COMET") == 3
    assert cli.run([*command, "--python", str(tmp_path / "nowhere")]) == 2
    assert "no Python" in capsys.readouterr().err
