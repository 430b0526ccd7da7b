import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mtsweep.errors import UserError
from mtsweep.record import Record, RunFolder, records, write
from tests.records import record


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    made = RunFolder(tmp_path / "runs" / "0123456789ab")
    made.start("seed: 42\n")
    return made


def test_a_record_is_read_as_it_was_written(folder):
    assert folder.record() is None
    folder.finish(record())
    assert folder.record() == record()
    assert _state(folder) == "finished"


def _state(folder: RunFolder) -> str:
    return json.loads((folder.path / "status.json").read_text(encoding="utf-8"))["state"]


def test_a_run_that_dies_before_the_record_is_in_place_has_none(folder, monkeypatch):
    def die(self: Path, target: Path) -> None:
        raise KeyboardInterrupt(f"{self} to {target}")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            folder.finish(record())
    assert not (folder.path / "record.json").exists()
    assert folder.record() is None
    assert list(records(folder.path.parent)) == []
    folder.finish(record())
    assert folder.record() == record()
    assert list(folder.path.glob("*.draft")) == []


def test_a_crash_while_writing_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "config.yaml"
    write(path, "old\n")
    monkeypatch.setattr("os.fsync", lambda _: pytest.fail("disk full"))
    with pytest.raises(pytest.fail.Exception, match="disk full"):
        write(path, "new\n")
    assert path.read_text(encoding="utf-8") == "old\n"


def test_line_ends_are_written_as_they_are(tmp_path):
    write(tmp_path / "a", "one\ntwo\r\n")
    assert (tmp_path / "a").read_bytes() == b"one\ntwo\r\n"


def test_a_record_of_another_version_is_refused_by_name(folder):
    told = json.loads(record().model_dump_json()) | {"schema_version": 2}
    write(folder.path / "record.json", json.dumps(told))
    with pytest.raises(UserError) as caught:
        folder.record()
    assert str(folder.path / "record.json") in str(caught.value)
    assert "schema_version: " in str(caught.value)
    assert "remove its folder to run it again" in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 1}', "\x00"])
def test_a_broken_record_is_refused_with_its_path(folder, text):
    write(folder.path / "record.json", text)
    with pytest.raises(UserError, match=r"record\.json: not a record that this version reads"):
        folder.record()


def test_a_record_takes_no_unknown_field():
    with pytest.raises(ValidationError, match="bleau"):
        Record.model_validate({**record().model_dump(), "bleau": 1})


HOSTILE = ["one\ntwo", "a\tb", "line\u2028separator", "para\u2029graph", "next\u0085line", "\r\n"]


def _lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="\n") as lines:
        return [json.loads(line) for line in lines]


def test_predictions_are_one_object_a_line_whatever_the_text(folder):
    rows = [{"id": str(n), "source": text, "hypothesis": text} for n, text in enumerate(HOSTILE)]
    folder.write_predictions("test", rows)
    assert _lines(folder.path / "predictions" / "test.jsonl") == rows


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_any_predictions_are_read_as_they_were_written(tmp_path_factory, texts):
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    folder.write_predictions("test", [{"hypothesis": text} for text in texts])
    read = _lines(folder.path / "predictions" / "test.jsonl")
    assert [row["hypothesis"] for row in read] == texts


def test_predictions_stay_readable_to_people(folder):
    folder.write_predictions("test", [{"hypothesis": "¿Cuánto? பல்"}])
    text = (folder.path / "predictions" / "test.jsonl").read_text(encoding="utf-8")
    assert text == '{"hypothesis": "¿Cuánto? பல்"}\n'


def test_metrics_are_one_line_a_step_and_are_rewound_to_where_a_run_goes_on(folder):
    folder.log_metrics(5, {"loss": 2.5})
    folder.log_metrics(10, {"loss": 2.0, "eval_loss": 2.25})
    assert _lines(folder.path / "metrics.jsonl") == [
        {"step": 5, "loss": 2.5},
        {"step": 10, "loss": 2.0, "eval_loss": 2.25},
    ]
    with (folder.path / "metrics.jsonl").open("a", encoding="utf-8") as torn:
        torn.write('{"step": 15, "lo')
    assert folder.rewind_metrics(7) == [{"step": 5, "loss": 2.5}]
    assert _lines(folder.path / "metrics.jsonl") == [{"step": 5, "loss": 2.5}]
    assert folder.rewind_metrics(0) == []
    assert _lines(folder.path / "metrics.jsonl") == []


def test_a_start_keeps_the_configuration_and_says_that_the_run_is_on(folder):
    folder.start("seed: 42\n")
    assert (folder.path / "config.yaml").read_text(encoding="utf-8") == "seed: 42\n"
    assert folder.state == "running"


def test_a_failed_run_says_why(folder):
    folder.set_state("failed", "out of memory")
    told = json.loads((folder.path / "status.json").read_text(encoding="utf-8"))
    assert (told["state"], told["reason"]) == ("failed", "out of memory")
    assert told["time"].endswith("+00:00")


def test_finished_runs_are_found_and_others_passed_over(tmp_path):
    for number in range(3):
        folder = RunFolder(tmp_path / f"run{number}")
        folder.start("")
        if number != 1:
            folder.finish(record(folder.id))
    assert [(folder.id, told.id) for folder, told in records(tmp_path)] == [
        ("run0", "run0"), ("run2", "run2")
    ]  # fmt: skip


def test_trained_weights_are_an_adapter_or_a_model(folder):
    assert folder.trained is None
    folder.model.mkdir()
    assert folder.trained == folder.model
    assert folder.id == "0123456789ab"
