import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtsweep import cli
from mtsweep.config import DataConfig
from mtsweep.data import load
from mtsweep.data.survey import SAMPLES, Survey, survey, visible

ROW = "The committee met on the second Thursday and voted on proposal number"


def files(here, rows, **changes) -> DataConfig:
    text = "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows)
    (here / "pairs.jsonl").write_text(text, encoding="utf-8")
    told = {"name": "mine", "source": "files", "source_lang": "eng_Latn"}
    told |= {
        "target_lang": "spa_Latn",
        "train_file": str(here / "pairs.jsonl"),
        "test_size": 5,
        "dev_size": 5,
    }
    return DataConfig(**{**told, **changes})


def numbered(count: int) -> list:
    return [{"source": f"{n} {n * n} question", "target": f"{n} {n * n} otra pregunta"} for n in
            range(count)]  # fmt: skip


def adds_up(found: Survey) -> None:
    for stages in filter(None, (found.stages, found.synthetic_stages)):
        assert stages[0].out == 0
        for before, after in zip(stages, stages[1:], strict=False):
            assert before.left - after.out == after.left


def test_every_row_that_was_read_is_accounted_for(here):
    rows = [*numbered(40), numbered(1)[0], {"source": "", "target": "x"}, "{broken\n"]
    rows += numbered(200)[50:]
    found = survey(load(files(here, [*rows, *[{"source": "a b", "target": "a b"}] * 3])))
    adds_up(found)
    out = {stage.name: stage.out for stage in found.stages if stage.out}
    assert found.stages[0].left == 196
    assert (out["malformed"], out["empty"]) == (1, 1)
    assert out["held out as dev and test"] == found.dev + found.test
    assert found.stages[-1].left == found.train
    (told,) = found.malformed
    assert told.startswith(f"data.train_file: {here / 'pairs.jsonl'}, line 43: not JSON (")


@settings(max_examples=20, deadline=None)
@given(
    size=st.integers(1, 20),
    share=st.sampled_from([None, 0.5, 1.0]),
    clean=st.sampled_from(["none", "mild", "strict"]),
    leaks=st.sampled_from(["remove", "keep"]),
)
def test_stages_add_up_under_every_setting(tmp_path_factory, size, share, clean, leaks):
    folder = tmp_path_factory.mktemp("made")
    rows = [{"source": f"made text {n % 35}", "target": f"texto {n}"} for n in range(40)]
    (folder / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    config = DataConfig(
        name="p", source="phrasebook", source_lang="eng_Latn", target_lang="spa_Latn", size=size,
        synthetic_file=str(folder), synthetic_share=share, clean=clean, leaks=leaks,
    )  # fmt: skip
    found = survey(load(config))
    adds_up(found)
    real, made = found.stages[-1].left, found.synthetic_stages[-1].left
    assert real + made == found.train == size


def test_lengths_and_ratios_are_those_of_the_training_pairs(here):
    found = survey(load(files(here, numbered(60))))
    spreads = dict(found.spreads)
    assert (spreads["source words"].median, spreads["target words"].most) == (3, 4)
    assert spreads["target / source characters"].most > 1
    assert len(found.samples) == SAMPLES
    for histogram in found.histograms:
        for _, counts in histogram.counts:
            assert sum(counts) == found.train
            assert len(counts) == len(histogram.edges) - 1


def test_other_languages_are_told_beside_the_one_there_should_be(here):
    rows = [
        {"source": f"Where do I find the hospital number {n}?", "target": f"Wo ist denn hier das "
         f"Krankenhaus Nummer {n} und wann öffnet es?"} for n in range(40)
    ]  # fmt: skip
    told = {each.side: each for each in survey(load(files(here, rows, leaks="keep"))).told}
    assert told["source"].found[0][0] == "en"
    assert told["target"].language == "spa_Latn"
    assert told["target"].found[0][0] == "de"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ñ தமிழ் عربي", "plain ñ தமிழ் عربي"),
        ("zero\u200bwidth", "zero‹U+200B›width"),
        ("over\u202eride", "over‹U+202E›ride"),
        ("\x1b[31mred", "‹U+001B›[31mred"),
        ("two\nlines\u00a0here", "two lines here"),
        ("join\u200der", "join\u200der"),
    ],
)
def test_what_no_eye_can_see_is_named(text, shown):
    assert visible(text) == shown


def test_the_command_tells_all_without_torch_and_writes_a_page(here):
    script = (
        "import sys; from mtsweep import cli; code = cli.run(sys.argv[1:]); "
        "sys.exit(code or 3 * ('torch' in sys.modules) or 4 * ('transformers' in sys.modules))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, "data", "data.target_lang=tam_Taml", "data.size=50"],
        cwd=here, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    expected = load(DataConfig(name="phrasebook", source="phrasebook", source_lang="eng_Latn",
                               target_lang="tam_Taml", test_size=100, dev_size=40,
                               size=50)).fingerprint  # fmt: skip
    assert expected in told.stdout
    assert "English to Tamil (eng_Latn to tam_Taml), 50 training pairs" in told.stdout
    assert told.stdout.count("  tam  ") == SAMPLES
    assert expected in (here / "data.html").read_text(encoding="utf-8")


def test_strict_tells_file_line_and_reason(here, capsys):
    files(here, [*numbered(40), '{"source": "cut off\n', *numbered(200)[60:]])
    command = ["data", "data=files", "data.train_file=pairs.jsonl", "data.source_lang=eng_Latn",
               "data.target_lang=spa_Latn"]  # fmt: skip
    assert cli.run(command) == 0
    assert "pairs.jsonl, line 41: not JSON (" in capsys.readouterr().out
    assert cli.run([*command, "--strict"]) == 2
    assert "pairs.jsonl, line 41: not JSON (" in capsys.readouterr().err


def test_several_data_sections_stand_on_one_page(here, capsys):
    assert cli.run(["data", "-m", "data.size=10,20", "seed=1,2"]) == 0
    told = capsys.readouterr().out
    assert told.count("fingerprint") == 2
    assert (here / "data.html").read_text(encoding="utf-8").count("<article") == 2
    assert cli.run(["data", "-m", "data.size=10,20000"]) == 2
    assert "data.size" in capsys.readouterr().err


def test_what_a_reader_leaves_out_has_three_examples_of_each_reason(here):
    rows = [*numbered(40), *({"source": f"only {n}", "target": " "} for n in range(5))]
    stages = survey(load(files(here, rows))).stages
    (stage,) = [each for each in stages if each.name == "empty" and each.step is None]
    assert stage.out == 5
    assert stage.examples == tuple((f"only {n}", " ") for n in range(3))


def test_a_conversation_that_is_left_out_is_shown_with_its_turns(here):
    def talk(*roles):
        return {"messages": [{"role": role, "content": f"text of {role}"} for role in roles]}

    rows = [
        *({"messages": [{"role": "user", "content": f"{n} of {n * n}"},
                        {"role": "assistant", "content": f"answer {n}"}]} for n in range(30)),
        talk("user"), talk("user", "user", "assistant"),
    ]  # fmt: skip
    found = survey(load(files(here, rows, form="chat")))
    shown = {stage.name: stage.examples for stage in found.stages if stage.step is None}
    assert shown["no answer"] == (("", "user: text of user"),)
    assert shown["turns do not alternate"] == (
        ("user: text of user\nuser: text of user", "assistant: text of assistant"),
    )


def test_examples_of_the_reader_are_kept_with_prepared_data_and_shown_on_the_page(
    here, monkeypatch
):
    from mtsweep import data, store
    from mtsweep.report.datapage import Subject, render

    monkeypatch.setattr(store, "folder", lambda: here / "prepared")
    monkeypatch.setattr(store, "WORTH", 0.0)
    monkeypatch.setenv("MTSWEEP_PREPARED", "on")
    section = files(here, [*numbered(40), {"source": "<b>nobody</b>", "target": ""}])
    first = load(section)
    for known in (data._corpus, data._parts, data._clean):
        known.cache_clear()
    monkeypatch.setattr(data, "_parts", lambda _: pytest.fail("it was read again"))
    assert load(section) == first
    page = render([Subject("mine", "mtsweep data", "files", survey(first))])
    assert "empty: dropped, for example" in page
    assert "&lt;b&gt;nobody&lt;/b&gt;" in page
