import base64
import gzip
import json
import random
import re
import subprocess
import sys
from html import unescape

import numpy as np
import pytest
from markupsafe import escape
from sacrebleu.metrics.chrf import CHRF

from mtsweep import cli
from mtsweep.compare import (
    Ablation,
    Comparison,
    Curve,
    Grid,
    Line,
    Point,
    Share,
    compare,
)
from mtsweep.compose import question
from mtsweep.errors import UserError
from mtsweep.report import entries, find, judgement, write_report
from mtsweep.report.charts import Chart, Heat, thinned
from mtsweep.report.content import content
from mtsweep.report.drawn import draw
from mtsweep.report.judgement import judge
from mtsweep.report.markdown import escaped
from mtsweep.report.page import embedded
from mtsweep.report.samples import gather, pack, segment_chrf
from mtsweep.report.settings import settings
from tests.report.sweeps import HOSTILE, small, sweep


@pytest.fixture
def html(tmp_path):
    return write_report(small(tmp_path, failed="loss <b>not</b> finite"))[0].read_text()


def test_segment_chrf_is_that_of_sacrebleu():
    pick = random.Random(1)
    words = ["gato", "perro", "come", "பூனை", "a", "", "duerme.", "¡sí!"]
    pairs = [
        (" ".join(pick.choices(words, k=k)), " ".join(pick.choices(words, k=4))) for k in range(40)
    ]
    metric = CHRF()
    hypotheses, references = [h for h, _ in pairs], [r for _, r in pairs]
    statistics = metric._extract_corpus_statistics(hypotheses, [references])
    found = segment_chrf(np.array(statistics, dtype=float))
    assert found == pytest.approx([metric.sentence_score(h, [r]).score for h, r in pairs])


def test_no_text_of_the_data_becomes_markup(html):
    assert HOSTILE not in html
    assert "<b>not</b>" not in html
    assert "&lt;b&gt;not&lt;/b&gt;" in html


@pytest.mark.parametrize("text", ["</script>", "<!--<script>", "a & b", "\u2028"])
def test_data_in_a_script_ends_no_element_and_is_read_back(text):
    made = embedded({"text": text})
    assert not set("<>&") & set(made)
    assert json.loads(made) == {"text": text}


def test_only_the_scripts_of_the_page_are_allowed(html):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in unescape(policy.group(1)).split(";"))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"('sha256-[\w+/=]+' ?){3}", rules["script-src"])


def test_the_page_and_the_text_hold_the_figures(tmp_path, html):
    text = (tmp_path / "sweeps" / "made" / "report.md").read_text()
    for told in (html, text):
        for wanted in ("lora.r=16", "lora.r=99", "eff:no|tok:13a", "90 train", "3 empty"):
            assert wanted in told, wanted
    for name in re.findall(r"\]\((pictures/[^)]+)\)", text):
        file = tmp_path / "sweeps" / "made" / name
        assert file.read_bytes()[:4] == b"\x89PNG"
        assert b"<svg" in file.with_suffix(".svg").read_bytes()
    assert "curve-eval_loss.png" in text


def many(root):
    """Three ranks on 60 segments: two alike, the third far behind."""
    pick = random.Random(3)
    words = ["gato", "perro", "duerme", "llueve", "mucho", "casa", "verde", "lejos", "camino"]
    wanted = [" ".join(pick.choices(words, k=6)) for _ in range(60)]

    def spoilt(share):
        return [
            " ".join(pick.choice(words) if pick.random() < share else word for word in text.split())
            for text in wanted
        ]

    labels = {"base": 1.0, "lora.r=8": 0.2, "lora.r=16": 0.2, "lora.r=32": 0.7}
    return sweep(root, [(label, spoilt(share)) for label, share in labels.items()], wanted, wanted)


def test_the_report_says_what_the_comparison_says(tmp_path):
    swept = entries.read(many(tmp_path))
    found = [(e.folder, e.record) for e in swept.finished if e.folder and e.record]
    comparison = compare(found)
    judged = judge(swept)
    assert judged == judge(swept, comparison)
    assert list(judged.sentences) == [told for told in comparison.sentences if told]
    verdict = comparison.verdicts[0]
    assert set(judged.marks) == set(verdict.tied) == {f"{1:012x}", f"{2:012x}"}
    assert judged.best == verdict.best
    assert {mark.text for mark in judged.marks.values()} == {"leads, tied", "tied"}
    assert [chart.title for chart in judged.ablation] == ["chrF by lora.r"]


def test_the_matrix_holds_the_corrected_p_value_of_every_pair(tmp_path):
    swept = entries.read(many(tmp_path))
    comparison = compare([(e.folder, e.record) for e in swept.finished if e.folder and e.record])
    (matrix,) = judge(swept, comparison).significance
    assert isinstance(matrix, Heat)
    verdict = comparison.verdicts[0]
    for pair in verdict.pairs:
        one, other = verdict.members.index(pair.first), verdict.members.index(pair.second)
        assert matrix.values[one][other] == matrix.values[other][one] == pair.p_holm
    assert [line[place] for place, line in enumerate(matrix.values)] == [None] * 4
    assert "significance-1.png" in write_report(swept.folder)[1].read_text()


def test_a_comparison_that_is_handed_on_is_not_made_again(tmp_path, monkeypatch):
    swept = entries.read(many(tmp_path))
    comparison = compare([(e.folder, e.record) for e in swept.finished if e.folder and e.record])
    monkeypatch.setattr(judgement, "compare", None)
    html = write_report(swept.folder, comparison=comparison)[0].read_text()
    assert all(str(escape(told)) in html for told in comparison.sentences)


def test_runs_on_different_test_sets_are_not_ranked(tmp_path):
    folder = small(tmp_path)
    path = tmp_path / "runs" / f"{2:012x}" / "record.json"
    path.write_text(path.read_text().replace("beef", "cafe"))
    judged = judge(entries.read(folder))
    assert judged.best == ""
    assert judged.marks == {}
    assert len(judged.warnings) == 1
    assert "lora.r=16: not ranked with the others: another test set" in judged.warnings[0]
    assert judged.warnings[0] not in judged.sentences


def test_what_is_packed_is_what_the_runs_said(tmp_path):
    swept = entries.read(small(tmp_path))
    sets = gather([(e.folder, e.record.config) for e in swept.finished if e.folder and e.record])
    packed = pack(sets)
    unpacked = json.loads(gzip.decompress(base64.b64decode(packed.blocks[f"0-{1:012x}"])))
    assert unpacked == list(sets[0].hypotheses[f"{1:012x}"])
    assert packed.sets[0]["shown"] == packed.sets[0]["all"] == 4


def test_what_does_not_fit_is_left_out_and_counted(tmp_path):
    texts = [f"{random.Random(index).random()} text" for index in range(400)]
    swept = entries.read(sweep(tmp_path, [("base", texts), ("lora.r=8", texts)], texts, texts))
    sets = gather([(e.folder, e.record.config) for e in swept.finished if e.folder and e.record])
    packed = pack(sets, room=10_000)
    assert 50 <= packed.sets[0]["shown"] < packed.sets[0]["all"] == 400
    assert sum(map(len, packed.blocks.values())) <= 10_000


def test_predictions_that_are_gone_leave_a_report_without_texts(tmp_path):
    folder = small(tmp_path)
    for path in tmp_path.glob("runs/*/*/test.*"):
        path.unlink()
    html = write_report(folder)[0].read_text()
    assert 'id="samples"' not in html
    assert "No judgement." in html
    assert "no whole predictions there" in html


def test_settings_are_told_apart_from_what_runs_share(tmp_path):
    swept = entries.read(small(tmp_path))
    told = content(swept, judge(swept))
    assert [differs for _, _, differs in told.settings] == ["lora.r=8", "lora.r=16"]
    assert ("seed", "42") in told.shared


@pytest.mark.parametrize(("text", "safe"), [("a|b", r"a\|b"), ("<i>\n*x*", r"&lt;i&gt; \*x\*")])
def test_text_stays_in_its_markdown_cell(text, safe):
    assert escaped(text) == safe


def test_a_thinned_curve_keeps_its_ends():
    points = [(float(x), float(-x)) for x in range(5000)]
    thin = thinned(points, 100)
    assert (len(thin), thin[0], thin[-1]) == (100, points[0], points[-1])


def test_the_newest_sweep_is_found_and_a_wrong_name_lists_what_there_is(tmp_path):
    folder = small(tmp_path)
    assert find(None, tmp_path) == find("made", tmp_path) == find(str(folder)) == folder
    with pytest.raises(UserError, match="there are: made"):
        find("mode", tmp_path)


def test_a_sweep_without_records_is_refused(tmp_path):
    folder = small(tmp_path)
    for path in tmp_path.glob("runs/*/record.json"):
        path.unlink()
    with pytest.raises(UserError, match="no run of this sweep has a record"):
        write_report(folder)


def test_an_experiment_gives_its_question():
    told = question(["-m", "experiment=lora_rank"])
    assert told["question"].startswith("does a higher rank")
    assert told["expectation"].startswith("no; Hu et al. 2021")
    assert question(["lora.r=8"]) == question(["experiment=none_such"]) == {}


def test_a_report_is_made_without_torch(tmp_path):
    folder = small(tmp_path)
    script = (
        "import sys; from mtsweep import cli; code = cli.run(['report', sys.argv[1]]);"
        "print(code, sorted({'torch', 'transformers', 'plotly'} & set(sys.modules)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines()[-1] == "0 []"


def test_a_sweep_ends_with_its_report_and_says_where_it_is(here, capsys):
    tiny = ["model=tiny_causal", "trainer=smoke", "data.size=12", "data.test_size=6",
            "data.dev_size=4", "decoding.max_new_tokens=8", "tracking=none"]  # fmt: skip
    assert cli.run(["-m", "lora.r=2,4", *tiny, "sweep.name=reported"]) == 0
    page = here / "sweeps" / "reported" / "report.html"
    assert page.is_file()
    assert "sweeps/reported/report.html" in capsys.readouterr().out
    before = page.stat().st_mtime_ns
    assert cli.run(["-m", "lora.r=2,4", *tiny, "sweep.name=reported"]) == 0
    assert page.stat().st_mtime_ns == before  # nothing ran, so nothing is written anew


def test_what_settings_did_is_drawn_with_fits_grids_and_shares(tmp_path):
    swept = entries.read(many(tmp_path))
    comparison = compare([(e.folder, e.record) for e in swept.finished if e.folder and e.record])
    (curve,) = settings(comparison, comparison.metrics[0])
    assert isinstance(curve, Chart)
    assert [series.name for series in curve.series] == ["", "fitted", "", ""]
    fit = comparison.ablations[0].curves[0].lines[0].fit
    assert fit is not None
    fitted = next(series for series in curve.series if series.name == "fitted")
    assert list(fitted.y) == [middle for _, middle, _, _ in fit.band]


def test_two_settings_are_a_heat_map_and_shares_of_the_variance(tmp_path):
    points = tuple(Point(float(x), 20.0 + x, 19.0, 30.0, f"{x}") for x in (1, 2))
    line = Line({"seed": 1.0}, points, None)
    ablation = Ablation(
        "chrf", ("1", "2"),
        (Curve("lora.r", numeric=True, log=False, lines=(line,)),),
        (Grid("lora.r", "model.name", (1.0, 2.0), ("a/b", "c"), ((1.0, None), (3.0, 4.0))),),
        (Share("lora.r", 0.7, 0.5, 0.9, 0.1, 0.01), Share("model.name", 0.2, 0.0, 0.4, 0.1, 0.3)),
        {},
    )  # fmt: skip
    comparison = Comparison(("lora.r",), ("chrf",), (), (), (ablation,))
    _, heat, shares = settings(comparison, "chrf")
    assert isinstance(heat, Heat)
    assert (list(heat.x), list(heat.y)) == (["1", "2"], ["b", "c"])
    assert heat.text == [["1.0", ""], ["3.0", "4.0"]]
    assert isinstance(shares, Chart)
    assert [list(series.y) for series in shares.series] == [[0.7, 0.2], [0.1, 0.1]]
    for picture in (heat, shares):
        assert (tmp_path / draw(picture, tmp_path)).stat().st_size > 1000
