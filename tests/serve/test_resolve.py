"""Runs by the names that people give them."""

from __future__ import annotations

import shutil

import pytest

from mtsweep.errors import UserError
from mtsweep.serve import resolve


def test_a_run_is_found_by_id_by_its_beginning_and_by_its_folder(output, finished):
    for folder, record in finished:
        beginning = next(
            record.id[:end]
            for end in range(1, 13)
            if sum(path.name.startswith(record.id[:end]) for path in output.glob("runs/*")) == 1
        )
        for name in (record.id, beginning, str(folder.path)):
            assert resolve.find(name, output)[1] == record


def test_best_is_the_best_chrf_of_the_newest_sweep_or_of_the_one_named(output, finished):
    best = max(finished, key=lambda each: each[1].scores["chrf"].value)[1]
    for name in ("best", "small", str(output / "sweeps" / "small")):
        assert resolve.find(name, output)[1].scores["chrf"].value == best.scores["chrf"].value


def test_a_name_that_is_no_run_or_several_is_told(output):
    with pytest.raises(UserError, match="no run, run folder or sweep"):
        resolve.find("zzz", output)
    with pytest.raises(UserError, match="3 runs begin so"):
        resolve.find("", output)


def test_an_unfinished_run_and_one_without_weights_are_refused(output, finished, base, tmp_path):
    folder, record = next(each for each in finished if each[0].adapter.is_dir())
    shutil.copytree(folder.path, tmp_path / "runs" / folder.id)
    copy = resolve.locate(folder.id, tmp_path)
    assert resolve.weights(copy, record) == copy.adapter
    shutil.rmtree(copy.adapter)
    with pytest.raises(UserError, match="weights were removed"):
        resolve.weights(copy, record)
    (copy.path / "record.json").unlink()
    with pytest.raises(UserError, match="has not finished"):
        resolve.find(folder.id, tmp_path)
    assert resolve.weights(base, base.record()) is None


def test_a_configuration_that_cannot_be_read_is_told_with_its_file(output, finished, tmp_path):
    folder, record = finished[0]
    assert resolve.configuration(folder).model_dump(mode="json") == record.config
    shutil.copytree(folder.path, tmp_path / "runs" / folder.id)
    copy = resolve.locate(folder.id, tmp_path)
    for text, complaint in (("lora: [", "cannot be read"), ("seed: 1", "must be given")):
        (copy.path / "config.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match=rf"config\.yaml: .*{complaint}"):
            resolve.configuration(copy)
