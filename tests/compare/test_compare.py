"""Runs on the disk, their predictions and records: what is said of them."""

from __future__ import annotations

import csv
import json
import random
import re
import shutil
import subprocess
import sys

import pytest

from mtsweep import cli
from mtsweep.compare import compare
from mtsweep.compare.before import foreseen
from mtsweep.compare.gather import gather
from mtsweep.errors import UserError
from mtsweep.evaluation.metrics import score
from mtsweep.record import RunFolder
from tests.overrides import config
from tests.records import record

WORDS = "el tren sale de la estación a las nueve y llega mañana con mucha lluvia".split()  # noqa: SIM905


def texts(count=80, seed=1):
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=chance.randint(3, 9))) for _ in range(count)]


def spoilt(references, share, seed):
    chance = random.Random(seed)
    return [
        " ".join(w if chance.random() > share else chance.choice(WORDS) for w in text.split())
        for text in references
    ]


def put(output, run_id, share, changes=None, *, seed=0, kind="run", test="7e57", bits="float32"):
    """A finished run whose outputs have a share of their words replaced."""
    references = texts()
    hypotheses = spoilt(references, share, seed)
    folder = RunFolder(output / "runs" / run_id)
    folder.start("")
    rows = zip(hypotheses, references, strict=True)
    folder.write_predictions(
        "test",
        [
            {"id": str(n), "source": f"({r})", "hypothesis": h, "reference": r}
            for n, (h, r) in enumerate(rows)
        ],
    )
    made = record(
        run_id,
        kind,
        config=config(changes).model_dump(mode="json"),
        scores=score(hypotheses, references, "spa_Latn", ["bleu", "chrf"]),
        data={"fingerprint": "f00d", "test_fingerprint": test},
        environment={"precision": bits},
    )
    folder.finish(made)
    return folder, made


def sweep(output, name, ids, base=None):
    folder = output / "sweeps" / name
    folder.mkdir(parents=True)
    listed = "".join(f"- {each}\n" for each in ids)
    (folder / "sweep.yaml").write_text(f"command: python -m mtsweep\nruns:\n{listed}")
    if base:
        (folder / "table.csv").write_text(f"run,id,kind\nbase,{base},base\n")
    return folder


@pytest.fixture
def ranks(tmp_path):
    """A base row, two ranks that are alike, and one that is worse."""
    found = [
        put(tmp_path, "b" * 12, 0.9, seed=9, kind="base"),
        put(tmp_path, "1" * 12, 0.30, {"lora.r": 8}, seed=1),
        put(tmp_path, "2" * 12, 0.31, {"lora.r": 16}, seed=2),
        put(tmp_path, "3" * 12, 0.60, {"lora.r": 32}, seed=3),
    ]
    sweep(tmp_path, "ranks", ["1" * 12, "2" * 12, "3" * 12], base="b" * 12)
    return tmp_path, found


def test_what_is_alike_is_tied_and_what_is_worse_is_not(ranks):
    told = compare(ranks[1])
    verdict = told.verdicts[0]
    assert told.metrics == ("chrf", "bleu")
    assert verdict.metric == "chrf"
    assert set(verdict.tied) == {"1" * 12, "2" * 12}
    assert [row.label for row in told.rows] == ["base", "lora.r=8", "lora.r=16", "lora.r=32"]
    assert len(verdict.pairs) == 6
    assert "tied with" in told.sentences[0]
    assert "the rest is worse" in told.sentences[0]
    assert told.refusals == ()


def test_the_order_of_runs_never_changes_a_judgement(ranks):
    one, other = compare(ranks[1]), compare(list(reversed(ranks[1])))
    for here, there in zip(one.verdicts, other.verdicts, strict=True):
        assert here.best == there.best
        assert set(here.tied) == set(there.tied)
        p_values = {frozenset((p.first, p.second)): p.p_holm for p in there.pairs}
        for pair in here.pairs:
            assert p_values[frozenset((pair.first, pair.second))] == pytest.approx(pair.p_holm)


def test_the_order_of_segments_never_changes_a_judgement(ranks):
    before = compare(ranks[1])
    order = random.Random(3).sample(range(80), 80)
    for folder, _ in ranks[1]:
        rows = folder.predictions("test")
        folder.write_predictions("test", [rows[place] for place in order])
        shutil.rmtree(folder.path / "segments")
    after = compare(ranks[1])
    for here, there in zip(before.verdicts, after.verdicts, strict=True):
        assert (here.best, set(here.tied)) == (there.best, set(there.tied))
        for one, other in zip(here.pairs, there.pairs, strict=True):
            assert one.difference == pytest.approx(other.difference, abs=1e-9)
            assert one.real == other.real


def test_identical_runs_are_tied_and_their_difference_is_none(tmp_path):
    found = [
        put(tmp_path, "1" * 12, 0.3, {"lora.r": 8}, seed=1),
        put(tmp_path, "2" * 12, 0.3, {"lora.r": 16}, seed=1),
    ]
    told = compare(found)
    for verdict in told.verdicts:
        assert set(verdict.tied) == {"1" * 12, "2" * 12}
        assert [(pair.difference, pair.p) for pair in verdict.pairs] == [(0.0, 1.0)]


def test_runs_that_differ_in_the_seed_alone_are_one_row_with_a_wider_interval(tmp_path):
    shares = ((8, (0.25, 0.3, 0.35)), (16, (0.26, 0.3, 0.36)))
    found = [
        put(
            tmp_path,
            f"{rank:02}{seed}" * 4,
            share,
            {"lora.r": rank, "seed": seed},
            seed=rank + seed,
        )
        for rank, each in shares
        for seed, share in enumerate(each, 1)
    ]
    told = compare(found)
    assert [(row.label, len(row.ids)) for row in told.rows] == [("lora.r=8", 3), ("lora.r=16", 3)]
    single = compare(found[:1]).rows[0].scores["chrf"]
    several = told.rows[0].scores["chrf"]
    assert len(several.seeds) == 3
    assert several.high - several.low > single.high - single.low
    assert told.verdicts[0].pairs[0].p_bootstrap is None
    assert not any("One seed each" in sentence for sentence in told.sentences)


@pytest.mark.parametrize(
    ("changes", "options", "reason"),
    [
        ({"prompt": "translate"}, {}, "prompt"),
        ({"decoding": "beam"}, {}, "decoding"),
        ({"trainer.per_device_train_batch_size": 32}, {}, "effective batch"),
        ({}, {"bits": "bfloat16"}, "precision"),
        ({}, {"test": "0the12"}, "test set"),
    ],
)
def test_runs_that_are_not_alike_outside_the_question_are_not_ranked_together(
    tmp_path, changes, options, reason
):
    found = [
        put(tmp_path, "1" * 12, 0.3, {"lora.r": 8}, seed=1),
        put(tmp_path, "2" * 12, 0.5, {"lora.r": 16}, seed=2),
        put(tmp_path, "3" * 12, 0.6, {"lora.r": 16, **changes}, seed=3, **options),
    ]
    told = compare(found, swept=["lora.r"])
    assert [refusal.reason for refusal in told.refusals] == [f"another {reason} than {'1' * 12}"]
    assert told.refusals[0].rows == ("3" * 12,)
    assert all("3" * 12 not in v.members for v in told.verdicts[:2])
    assert f"another {reason}" in told.sentences[-2 if len(told.refusals) > 1 else -1]


def test_a_swept_prompt_is_ranked(tmp_path):
    found = [
        put(tmp_path, "1" * 12, 0.3, {"prompt": "brief"}, seed=1),
        put(tmp_path, "2" * 12, 0.5, {"prompt": "translate"}, seed=2),
    ]
    told = compare(found)
    assert told.refusals == ()
    assert told.axes == ("prompt.name",)
    assert [row.label for row in told.rows] == ["prompt=brief", "prompt=translate"]


def test_predictions_of_another_run_are_noticed(ranks):
    output, found = ranks
    ours, other = output / "runs" / ("1" * 12), output / "runs" / ("3" * 12)
    (ours / "predictions/test.jsonl").write_bytes((other / "predictions/test.jsonl").read_bytes())
    with pytest.raises(UserError, match="its predictions score"):
        compare(found)


def test_sweeps_are_joined_by_name_and_each_run_counts_once(ranks):
    output, _ = ranks
    put(output, "4" * 12, 0.2, {"lora.r": 64}, seed=4)
    sweep(output, "more", ["3" * 12, "4" * 12])
    found, swept = gather(["ranks", "more"], output)
    assert len(found) == 5
    assert swept == {"lora.r"}


def test_the_command_prints_a_table_and_the_judgement(ranks, capsys):
    assert cli.run(["compare", "ranks", "--output-dir", str(ranks[0])]) == 0
    told = capsys.readouterr().out
    assert "lora.r=16" in told
    assert "tied with" in told


def test_every_format_holds_every_row(ranks, capsys):
    asked = ["compare", "--output-dir", str(ranks[0]), "--by", "lora.r", "--metric", "bleu"]
    assert cli.run([*asked, "--format", "csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert len(rows) == 8
    assert rows[0]["metric"] == "BLEU"
    assert [row["lora.r"] for row in rows[2::2]] == ["8", "16", "32"]
    assert cli.run([*asked, "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 4
    assert cli.run([*asked, "--format", "md"]) == 0
    assert capsys.readouterr().out.count("\n| lora.r=") == 3


@pytest.mark.parametrize("form", ["table", "json"])
def test_two_settings_end_with_a_grid_and_what_each_of_them_did(tmp_path, capsys, form):
    shares = {(8, 100): 0.6, (8, 400): 0.3, (16, 100): 0.6, (16, 400): 0.3, (8, 200): 0.45}
    ids = []
    for number, ((rank, size), share) in enumerate(shares.items(), 1):
        ids.append(str(number) * 12)
        put(tmp_path, ids[-1], share, {"lora.r": rank, "data.size": size}, seed=number)
    sweep(tmp_path, "both", ids)
    assert cli.run(["compare", "--output-dir", str(tmp_path), "--format", form]) == 0
    told = capsys.readouterr().out
    if form == "json":
        ablation = json.loads(told)["ablations"][0]
        assert ablation["grids"][0]["lines"] == [8.0, 16.0]
        assert {share["axis"] for share in ablation["shares"]} == {"lora.r", "data.size"}
        assert len(ablation["costs"]["seconds_train"]) == 5
    else:
        assert "chrF by lora.r (down) and data.size (across)" in told
        assert "data.size (lora.r=8) from 100 to 400: twice as much brought +" in told.replace(
            "\n", " "
        )
        assert "goes with each setting: data.size" in told.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nope"], "nope: neither a sweep nor the folder of a run; sweeps here: ranks"),
        (["ranks", "--by", "lora.x"], "--by: 'lora.x' is no key of these runs"),
        (["ranks", "--by", "lora.lora_dropout"], "is the same in all of these runs"),
        (["ranks", "--metric", "comet"], "--metric: 'comet' was not scored for all"),
        (["ranks", "--on", "legal"], "--on: 'legal' was not scored for all of these runs"),
    ],
)
def test_what_is_wrong_is_named(ranks, capsys, arguments, complaint):
    assert cli.run(["compare", *arguments, "--output-dir", str(ranks[0])]) == 2
    assert complaint in capsys.readouterr().err


def test_the_command_starts_without_torch(ranks):
    code = (
        "import sys; from mtsweep import cli; "
        f"cli.run(['compare', '--output-dir', {str(ranks[0])!r}]); "
        "sys.exit(bool({'torch', 'transformers', 'hydra'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_metric_that_runs_did_not_score_is_counted_from_their_predictions(ranks):
    told = compare(ranks[1], "ter")
    best = told.row(told.verdicts[0].best)
    assert told.metrics == ("ter", "bleu", "chrf")
    assert best.scores["ter"].direction == "lower"
    assert best.scores["ter"].value == min(row.scores["ter"].value for row in told.rows)
    assert told.verdicts[0].best in {"1" * 12, "2" * 12}


def of_two(output, run_id, shares, changes, seed):
    """A run that was scored on a further test set, and on two parts of the main one."""
    folder, made = put(output, run_id, shares[0], changes, seed=seed)
    references = texts(seed=5)
    hypotheses = spoilt(references, shares[1], seed)
    rows = [{"hypothesis": h, "reference": r} for h, r in zip(hypotheses, references, strict=True)]
    folder.write_predictions("legal", rows)
    main = folder.predictions("test")
    for place, row in enumerate(main):
        row["origin"] = "food" if place % 4 else "dental"
    folder.write_predictions("test", main)
    dental = [row for row in main if row["origin"] == "dental"]
    scored = [[row[name] for row in dental] for name in ("hypothesis", "reference")]
    made = made.model_copy(
        update={
            "also": {"legal": score(hypotheses, references, "spa_Latn", ["chrf"])},
            "parts": {"dental": score(scored[0], scored[1], "spa_Latn", ["chrf"])},
        }
    )
    folder.finish(made)
    return folder, made


def test_runs_are_judged_on_a_further_test_set_and_on_a_part(tmp_path):
    found = [
        of_two(tmp_path, "1" * 12, (0.3, 0.7), {"lora.r": 8}, 1),
        of_two(tmp_path, "2" * 12, (0.7, 0.3), {"lora.r": 16}, 2),
    ]
    assert compare(found).verdicts[0].best == "1" * 12
    legal = compare(found, on="legal")
    assert legal.metrics == ("chrf",)
    assert legal.verdicts[0].best == "2" * 12
    assert legal.refusals == ()
    dental = compare(found, on="dental")
    assert dental.verdicts[0].best == "1" * 12
    assert dental.rows[0].scores["chrf"].segments == 20


@pytest.mark.parametrize(("language", "lead", "said"), [
    ("tam_Taml", None, "chrF leads: words of Tamil take many forms"),
    ("tam_Taml", "bleu", "BLEU is to be read with care: words of Tamil"),
    ("spa_Latn", None, ""),
])  # fmt: skip
def test_languages_of_many_forms_are_led_by_chrf_and_told_why(tmp_path, language, lead, said):
    found = [
        put(tmp_path, str(n) * 12, 0.3, {"lora.r": 2**n, "data.target_lang": language}, seed=n)
        for n in (1, 2)
    ]
    told = " ".join(compare(found, lead).sentences)
    assert (said in told) if said else ("many forms" not in told)


def test_a_base_row_foresees_what_its_test_set_can_show(ranks):
    folder, made = ranks[1][0]
    few, many = (
        float(re.findall(r"about ([\d.]+) chrF", foreseen(folder, made, rows))[0])
        for rows in (2, 30)
    )
    assert 0 < few < many
    assert "80 segments and 435 comparisons" in foreseen(folder, made, 30)
    (folder.path / "predictions/test.jsonl").unlink()
    shutil.rmtree(folder.path / "segments")
    assert foreseen(folder, made, 2) == ""
