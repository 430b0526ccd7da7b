"""Model cards of runs that are made up."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from mtsweep import card as cards
from mtsweep import cli
from mtsweep.card import licences
from mtsweep.card.privacy import Kind, scrubbed, secrets
from mtsweep.errors import UserError
from mtsweep.record import RunFolder, write
from tests.overrides import config
from tests.records import score
from tests.report.sweeps import HOSTILE, small

RUN = "000000000001"


@pytest.fixture
def output(tmp_path):
    """A sweep of two runs and their base row."""
    place = small(tmp_path)
    told = {
        "command": "python -m mtsweep -m lora.r=8,16 output_dir=/home/somebody/work",
        "runs": [RUN, "000000000002"],
    }
    write(place / "sweep.yaml", yaml.safe_dump(told))
    return tmp_path


def changed(output: Path, changes: dict | None = None, **fields) -> cards.Subject:
    """The first run, with another configuration and other fields of the record."""
    folder = RunFolder(output / "runs" / RUN)
    record = folder.record()
    assert record is not None
    if changes:
        fields["config"] = config(changes).model_dump(mode="json")
    folder.finish(record.model_copy(update=fields))
    return cards.subject(RUN, output)


def written(subject: cards.Subject, **options) -> str:
    shipped = cards.chosen_format(subject, options.pop("shipped", None))
    return cards.card(subject, "owner/name", shipped, **options)


def body(text: str) -> str:
    return text.partition("\n---\n")[2]


def test_a_card_has_every_row_of_the_sweep_with_intervals_and_says_which_is_it(output):
    text = written(cards.subject(RUN, output))
    rows = [line for line in text.splitlines() if line.startswith(("| lora", "| untouched |"))]
    assert len([row for row in rows if "←" in row]) == 1
    assert {row.split("|")[1].strip() for row in rows} >= {
        "untouched", "lora.r=8 ← this model", "lora.r=16",
    }  # fmt: skip
    assert all(" to " in row for row in rows[:3])
    assert "This model against the untouched one: +" in text
    assert "python -m mtsweep -m lora.r=8,16 output_dir=work sweep.only=000000000001" in text
    assert "energy | not measured" in text


def test_a_search_is_made_again_whole_and_system_messages_are_told(output):
    told = {"command": "python -m mtsweep -m sweep=optuna lora.r=8,16", "runs": [RUN]}
    write(output / "sweeps" / "made" / "sweep.yaml", yaml.safe_dump(told))
    subject = cards.subject(RUN, output)
    text = written(subject)
    assert "\npython -m mtsweep -m sweep=optuna lora.r=8,16\n" in text
    assert "it makes the whole search" in text
    assert "begin with a system message" not in text
    subject.rows[0]["context"] = "You teach Spanish."
    assert "begin with a system message" in written(subject)


def test_texts_of_data_break_no_table_and_bring_no_markup(output):
    text = written(cards.subject(RUN, output), samples=4)
    assert "<script" not in text
    assert "onerror=alert" in text  # it is shown, as text
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(body(text))
    kinds = [token.type for token in tokens] + [
        child.type for token in tokens for child in token.children or ()
    ]
    assert not {"html_block", "html_inline", "image"} & set(kinds)
    flat = "".join(child.content for token in tokens for child in token.children or ())
    assert HOSTILE in flat
    for block in body(text).split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) <= 1
    assert sum(kind == "table_open" for kind in kinds) >= 10


def test_the_head_is_what_the_hub_reads(output):
    text = written(cards.subject(RUN, output), licence="cc-by-4.0")
    told: Any = ModelCard(text).data
    assert told.language == ["en", "es"]
    assert (told.license, told.pipeline_tag) == ("cc-by-4.0", "translation")
    assert told.base_model == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert told.get("library_name") == "transformers"  # its base is on the hub in other weights
    assert told.get("base_model_relation") == "finetune"
    assert {"mtsweep", "lora", "en-es"} <= set(told.tags)
    results = {each.metric_type: each for each in told.eval_results}
    assert set(results) == {"sacrebleu", "chrf"}
    assert results["chrf"].metric_args["segments"] == 100
    other: Any = ModelCard(written(cards.subject(RUN, output), licence="My own terms")).data
    assert (other.license, other.license_name) == ("other", "My own terms")


@pytest.mark.parametrize(
    ("languages", "said", "unsaid"),
    [
        (("eng_Latn", "tam_Taml"), ["take many forms", "Sri Lanka",
                                    "in its own script", "not among the seven"], ["right to left"]),
        (("eng_Latn", "arb_Arab"), ["from right to left", "Morocco", "marks gender"],
         ["not among the seven"]),
        (("tur_Latn", "eng_Latn"), ["one word for he and she", "English to Turkish"],
         ["leaves open how near"]),
        (("deu_Latn", "spa_Latn"), ["Spanish to German"], ["marks gender", "leaves open how near"]),
    ],
)  # fmt: skip
def test_limits_are_those_of_the_languages(output, languages, said, unsaid):
    told = changed(
        output,
        {"data": "files", "data.train_file": "p.jsonl", "data.source_lang": languages[0],
         "data.target_lang": languages[1]},
    )  # fmt: skip
    text = body(written(told)).partition("## Limits")[2]
    assert all(each in text for each in said)
    assert not any(each in text for each in unsaid)


def test_limits_are_those_of_the_data_and_the_figures(output):
    data = {"fingerprint": "f", "test_fingerprint": "t", "train": 120, "dev": 5, "test": 100,
            "available": 300, "synthetic": 90, "dropped": {"empty": 3, "leak": 2},
            "cleaning": {"mojibake": {"dropped": 0, "changed": 7, "held_out": 0}},
            "leaks": [{}, {}], "provenance": ["/home/somebody/pairs.jsonl"]}  # fmt: skip
    also = {"legal": {"chrf": score(20), "bleu": score(3)}}
    before = {"legal": {"chrf": score(9)}}
    steps = {"trainer.max_steps": 90}
    text = written(changed(output, steps, data=data, also=also, base_also=before))
    assert "75% of the training pairs (90 of 120) were written or translated by a machine" in text
    assert "120 training pairs, each seen about 3 times" in text
    assert "2% did not end by themselves" in text
    assert "| left out | 3 empty, 2 leak |" in text
    assert "| mended | 7 mojibake |" in text
    assert "| from | pairs.jsonl |" in text
    assert "It was also scored on legal." in text
    assert "| legal | 100 | 20.0 (18.5 to 21.5) | 9.0 |" in text


def test_right_to_left_texts_are_marked_so(output):
    told = changed(output, {"data.target_lang": "spa_Latn"})
    arabic = told.config.model_copy(
        update={"data": told.config.data.model_copy(update={"target_lang": "arb_Arab"})}
    )
    assert '<span dir="rtl">' in written(replace(told, config=arabic))
    assert '<span dir="rtl">' not in written(told)


def test_texts_of_the_publishers_own_files_are_shown_on_demand_alone(output):
    files = {"data": "files", "data.train_file": "/home/somebody/secret/pairs.jsonl",
             "data.source_lang": "eng_Latn", "data.target_lang": "spa_Latn"}  # fmt: skip
    told = changed(output, files)
    text = written(told)
    assert "A dog barks." not in text
    assert "are not published" in text
    assert "the publisher's own files (90, each seen about 8 times)" in text
    assert "| data: pairs.jsonl | unknown: ask whoever holds the texts |" in text
    assert "/home" not in text
    assert "A dog barks." in written(told, samples=4)


def test_licences_are_configured_known_or_told_to_be_unknown(output, tmp_path, monkeypatch):
    told = changed(output)
    assert licences.of_model(told) == "apache-2.0"
    assert licences.of_data(told.config.data, synthetic=False) == {"phrasebook": "mit"}
    mixed = config({"data": "combined", "data.mix": [
        {"source": "phrasebook"}, {"source": "gettext", "package": "rich"},
        {"source": "files", "train_file": "a/mine.tsv", "license": "cc0-1.0"}]})  # fmt: skip
    assert licences.of_data(mixed.data, synthetic=False) == {
        "phrasebook": "mit", "catalogs of rich": "MIT", "mine.tsv": "cc0-1.0",
    }  # fmt: skip
    made = tmp_path / "made"
    made.mkdir()
    write(made / "card.json", '{"licence": "of the teacher: see its terms"}')
    with_made = config({"data.synthetic_file": str(made)}).data
    assert licences.of_data(with_made, synthetic=True)["synthetic pairs (made)"] == (
        "of the teacher: see its terms"
    )
    assert len(licences.of_data(with_made, synthetic=False)) == 1
    # A model of the hub: by its own page, where the cache has it.
    page = tmp_path / "README.md"
    write(page, "---\nlicense: other\nlicense_name: llama9\n---\n# x")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *a, **k: str(page))
    hub = {"model": "causal", "model.name": "owner/base"}
    assert licences.of_model(changed(output, hub)) == "llama9"
    page.unlink()
    assert licences.of_model(changed(output, hub)) == licences.UNKNOWN
    assert licences.of_model(changed(output, {**hub, "model.license": "gemma"})) == "gemma"
    assert "| this model | gemma |" in written(cards.subject(RUN, output))


def test_a_licence_changes_neither_run_nor_ranking(here):
    from mtsweep.plan import identify
    from tests.overrides import job

    small = {"model": "tiny_causal", "data.size": 20, "data.test_size": 5, "data.dev_size": 3}
    named = {**small, "model.license": "mit", "data.license": "cc0-1.0"}
    assert identify(job(small)).id == identify(job(named)).id
    from mtsweep.compare.settings import flat

    assert not [key for key, _ in flat(config(named).model_dump()) if key.endswith("license")]


def test_what_cannot_ship_is_refused_before_anything_is_written(output, capsys):
    (base,) = [path.parent.name for path in output.glob("runs/*/record.json")
               if '"kind": "base"' in path.read_text()]  # fmt: skip
    with pytest.raises(UserError, match="nothing was trained"):
        cards.subject(base, output)
    with pytest.raises(UserError, match="trained every weight"):
        cards.chosen_format(changed(output, {"lora": "none"}), "peft")
    with pytest.raises(UserError, match="is on no hub"):
        cards.chosen_format(changed(output, {"model": "tiny_causal"}), "peft")
    hub = changed(output, {"model": "causal", "model.name": "owner/base"})
    assert cards.chosen_format(hub, None) == "peft"
    (output / "runs" / RUN / "record.json").unlink()
    assert cli.run(["card", RUN, "--output-dir", str(output)]) == 2
    assert "has not finished" in capsys.readouterr().err


def test_the_command_writes_a_file_and_needs_no_torch(output):
    said = subprocess.run(
        [sys.executable, "-c",
         "import sys; from mtsweep import cli\n"
         f"code = cli.run(['card', {RUN!r}, '--to', 'README.md'])\n"
         "assert not {'torch', 'transformers'} & set(sys.modules)\nsys.exit(code)"],
        capture_output=True, text=True, check=False, cwd=output,
    )  # fmt: skip
    assert (said.returncode, said.stdout) == (0, "README.md\n"), said.stderr
    assert "--name says what it is called" in said.stderr
    assert (output / "README.md").read_text(encoding="utf-8").startswith("---\nbase_model:")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("data.train_file=/home/me/x/pairs.jsonl lora.r=8", "data.train_file=pairs.jsonl lora.r=8"),
        ("'/data set' ../../me/a.tsv", "'/data set' a.tsv"),
        ("~/corpora/en-es/a.tmx", "a.tmx"),
        (r"C:\Users\me\a.csv", "a.csv"),
        ("https://example.org/a/b owner/name 3/4", "https://example.org/a/b owner/name 3/4"),
        ("[{train_file: /srv/a/b.po}]", "[{train_file: b.po}]"),
    ],
)
def test_paths_are_cut_down_to_their_last_part(text, left):
    assert scrubbed(text) == left


def test_secrets_are_found_and_not_repeated(monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "very-secret-value")
    monkeypatch.setattr("getpass.getuser", lambda: "marguerite")
    cases: tuple[tuple[Kind, str, str], ...] = (
        ("vocabulary", "x hf_" + "a" * 34, "a Hugging Face token"),
        ("prose", "very-secret-value", "the value of $MY_API_KEY"),
        ("prose", f"see {Path(__file__).parent}/x.json", "a path"),
        ("prose", "by marguerite.", "the user's name"),
        ("configuration", '{"name": "/nowhere/at/all.json"}', "a path (all.json)"),
    )
    for kind, text, told in cases:
        found = list(secrets(text, kind))
        assert len(found) == 1
        assert found[0].startswith(told)
    assert list(secrets("copy it to /nowhere/at/all.json", "prose")) == []
    assert list(secrets("marguerite /a/b/c", "vocabulary")) == []
    assert list(secrets('{"name": "owner/base"}', "configuration")) == []
