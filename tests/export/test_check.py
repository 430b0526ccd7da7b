"""Differences between what was scored and what is exported are tested, not guessed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import sacrebleu

from mtsweep.export.check import check
from mtsweep.export.said import limit
from mtsweep.export.source import Source
from mtsweep.record import RunFolder
from tests.overrides import config

TEXT = "the house stands on a green hill behind the old town near a wide river"


def source_of(hypotheses, references, changes=None):
    rows = tuple(
        {"source": f"s{n}", "reference": r, "hypothesis": h, "stopped": True, "tokens": 5}
        for n, (h, r) in enumerate(zip(hypotheses, references, strict=True))
    )
    record = SimpleNamespace(adjusted={"decoding.batch_size": 25}, environment={})
    return Source(RunFolder(Path("r")), record, config(changes), None, None, rows)  # type: ignore[arg-type]


@pytest.fixture
def texts():
    return [" ".join(TEXT.split()[n % 7 : n % 7 + 8]) + f" {n}" for n in range(60)]


def test_the_same_texts_are_no_difference(texts):
    source = source_of([text[5:] for text in texts], texts)
    found = check(source, source.rows)
    assert (found.segments, found.equal, found.share, found.lost) == (60, 60, 1.0, ())
    assert [each.p for each in found.differences] == [1.0, 1.0]
    assert found.examples == ()


def test_a_loss_beyond_chance_is_told_with_sacrebleus_own_scores(texts):
    source = source_of(texts, texts)
    now = [text if n % 3 else text.replace("the", "a") for n, text in enumerate(texts)]
    found = check(
        source, [dict(row, hypothesis=text) for row, text in zip(source.rows, now, strict=True)]
    )
    assert found.lost == ("bleu", "chrf")
    assert found.equal == sum(a == b for a, b in zip(now, texts, strict=True))
    bleu, chrf = found.differences
    assert bleu.after.value == pytest.approx(sacrebleu.corpus_bleu(now, [texts]).score)
    assert chrf.after.value == pytest.approx(sacrebleu.corpus_chrf(now, [texts]).score)
    assert bleu.low <= bleu.difference <= bleu.high < 0
    assert max(bleu.p_holm, bleu.p_bootstrap, bleu.p_randomised) < 0.05
    assert len(found.examples) == 3
    told = found.as_json()
    assert told["metrics"]["chrf"]["before"]["value"] == 100.0
    assert told["lost"] == ["bleu", "chrf"]


def test_a_gain_and_a_single_other_word_are_no_loss(texts):
    worse = [text[: len(text) // 2] for text in texts]
    source = source_of(worse, texts)
    better = [dict(row, hypothesis=text) for row, text in zip(source.rows, texts, strict=True)]
    assert check(source, better).lost == ()
    assert check(source, better).differences[0].p_holm < 0.05
    once = [dict(row) for row in source_of(texts, texts).rows]
    once[7]["hypothesis"] = once[7]["hypothesis"].replace("the", "a")
    assert check(source_of(texts, texts), once).lost == ()


def test_segments_must_be_the_same_ones(texts):
    source = source_of(texts, texts)
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        check(source, source.rows[1:])


def test_the_limit_is_read_from_what_did_not_stop(texts):
    codec = SimpleNamespace(target_ids=lambda text: text.split())
    source = source_of(texts, texts)
    rows = [dict(row) for row in source.rows]
    assert limit(source, rows, codec) == int(1.25 * 9) + 4  # type: ignore[arg-type]
    rows[3] |= {"stopped": False, "tokens": 11}
    assert limit(source, rows, codec) == 11  # type: ignore[arg-type]
    given = source_of(texts, texts, {"decoding.max_new_tokens": 7})
    assert limit(given, rows, codec) == 7  # type: ignore[arg-type]
    assert source.decoding.batch_size == 25
