import dataclasses

import pytest

from mtsweep import arguments
from mtsweep.arguments import Field


@pytest.fixture(scope="module")
def true_classes():
    from transformers import Seq2SeqTrainingArguments
    from trl import SFTConfig

    return {"causal": SFTConfig, "seq2seq": Seq2SeqTrainingArguments}


@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
def test_fields_read_from_source_are_the_true_ones(true_classes, kind):
    true = {field.name for field in dataclasses.fields(true_classes[kind]) if field.init}
    assert set(arguments.fields(kind)) == true
    assert len(true) > 100


@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
def test_the_defaults_of_the_true_classes_are_no_mistakes(true_classes, kind):
    found = arguments.fields(kind)
    wrong = {
        field.name: complaint
        for field in dataclasses.fields(true_classes[kind])
        if field.default is not dataclasses.MISSING
        and (complaint := found[field.name].complaint(_plain(field.default)))
    }
    assert wrong == {}


def _plain(value):
    return getattr(value, "value", value)  # an enumeration's member as YAML writes it


def test_the_two_kinds_differ_where_they_should():
    causal, seq2seq = arguments.fields("causal"), arguments.fields("seq2seq")
    assert "packing" in causal
    assert "packing" not in seq2seq
    assert "predict_with_generate" in seq2seq
    assert "predict_with_generate" not in causal


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("warmup_steps", 4),
        ("warmup_steps", 0.1),
        ("weight_decay", "1e-3"),
        ("weight_decay", 0),
        ("optim", "adamw_torch"),
        ("lr_scheduler_type", "cosine"),
        ("bf16", None),
        ("bf16", True),
        ("save_strategy", "no"),
    ],
)
def test_a_good_value_passes(name, value):
    assert arguments.fields("causal")[name].complaint(value) is None


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("weight_decay", "much", "expected float, not 'much'"),
        ("weight_decay", True, "expected float, not True"),
        ("bf16", "perhaps", "expected bool or null, not 'perhaps'"),
        ("optim", "adamw_torhc", "'adamw_torhc' is no optim; did you mean adamw_torch?"),
        ("lr_scheduler_type", "cosin", "'cosin' is no lr_scheduler_type; did you mean cosine?"),
        ("save_strategy", "foo", "'foo' is no save_strategy; there are: no, steps, epoch, best"),
    ],
)
def test_a_wrong_value_gets_its_complaint(name, value, complaint):
    assert arguments.fields("causal")[name].complaint(value) == complaint


def test_an_integer_is_no_truth_value_and_a_truth_value_no_integer():
    assert Field("n", (int,), optional=False).complaint(value=True) == "expected int, not True"
    assert Field("b", (bool,), optional=False).complaint(1) == "expected bool, not 1"


def test_null_needs_an_optional_field():
    assert Field("n", (int,), optional=True).complaint(None) is None
    assert Field("n", (int,), optional=False).complaint(None) == "expected int, not None"


def test_a_field_of_unknown_type_takes_anything():
    assert Field("d", (), optional=False).complaint({"a": 1}) is None
