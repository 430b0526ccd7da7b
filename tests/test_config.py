from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from mtsweep.cli import help_text
from mtsweep.config import (
    MISSING,
    RunConfig,
    SynthesisConfig,
    is_key,
    known_keys,
    unknown,
    validate,
)
from mtsweep.config.checks import OURS
from mtsweep.errors import ConfigError, Problem
from tests.overrides import CONF, GIVEN, SHIPPED, composed, config, option, problems_of, values

ALL = pytest.mark.parametrize(("group", "name"), SHIPPED)
SECTIONS: dict[str, Any] = {
    name: field.annotation for name, field in RunConfig.model_fields.items()
}
SECTIONS["synthesis"] = SynthesisConfig


def test_there_are_options_to_test():
    assert len(SHIPPED) >= 25
    assert set(GIVEN) <= set(SHIPPED)
    assert {group for group, _ in SHIPPED} >= {
        "model", "data", "lora", "trainer", "prompt", "decoding", "evaluation", "tracking"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("group", "name"),
    [each for each in SHIPPED if each != ("sweep", "optuna")],  # a search: test_space.py
    ids="-".join,
)
def test_every_option_composes_to_a_run(here, group, name):
    jobs = composed(f"{group}={name}", *GIVEN.get((group, name), []))
    assert len(jobs) == 1
    assert isinstance(jobs[0].config, RunConfig)
    assert MISSING not in str(jobs[0].config.model_dump())


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_yaml_opens_with_what_it_is(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ")
    assert len(first) > len("# ") + 5


@ALL
def test_help_shows_every_option_with_its_comment(group, name):
    lines = (CONF / group / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    told = next(line for line in lines if "@package" not in line)
    _, _, section = help_text().partition(f"\n{group}=\n")
    lines = section.partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in lines].count(name) == 1
    assert any(line.split()[0] == name and line.endswith(told[2:]) for line in lines)


@ALL
def test_every_key_of_every_option_is_known(group, name):
    prefix = "" if group == "experiment" else f"{group}."
    keys = {f"{prefix}{key}" for key in _leaves(option(group, name))}
    known = known_keys()
    assert {key for key in keys if not is_key(key, known)} == set()


def _leaves(told, prefix=""):
    for key, value in told.items():
        if key in {"defaults", "hydra"}:
            continue
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


@pytest.mark.parametrize(
    ("group", "name"),
    [each for each in SHIPPED if each[0] in {*SECTIONS} - {"tracking", "sweep"}],  # may be left out
    ids="-".join,
)
def test_every_option_gives_what_has_no_default(group, name):
    fields = SECTIONS[group].model_fields
    needed = {key for key, field in fields.items() if field.is_required()}
    assert needed, f"{group} needs nothing?"
    assert needed - set(option(group, name)) == set()


def test_the_top_level_of_the_yaml_is_the_schema():
    top = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))
    assert set(values()) == set(RunConfig.model_fields) - {
        "seed",
        "output_dir",
        "synthesis",
    }
    assert top["seed"] == config().seed
    assert top["output_dir"] == config().output_dir


def test_a_configuration_cannot_be_changed():
    made = config()
    with pytest.raises(ValidationError, match="frozen"):
        made.seed = 3
    with pytest.raises(ValidationError, match="frozen"):
        made.lora.r = 3


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("lora.r", 0, "should be greater than 0, not 0"),
        ("lora.r", None, "should be a valid integer, not None"),
        ("lora.lora_dropout", 1.0, "should be less than 1, not 1.0"),
        ("lora.bnb_4bit_quant_type", "nf8", "should be 'nf4' or 'fp4', not 'nf8'"),
        ("data.size", 0, "should be greater than 0, not 0"),
        ("data.size", -1, "should be greater than 0, not -1"),
        (
            "data.source",
            "web",
            "should be 'phrasebook', 'gettext', 'files', 'hub' or 'combined', not 'web'",
        ),
        ("data.source_lang", False, "YAML reads an unquoted no as False: quote it"),
        ("data.source_lang", "eng", "'eng' is no FLORES-200 code; did you mean eng_Latn?"),
        ("data.source_lang", "???", "must be given: data.source_lang=eng_Latn"),
        ("model.name", "???", "must be given: model.name=owner/name"),
        ("decoding.num_beams", 0, "should be greater than 0, not 0"),
        ("decoding.no_repeat_ngram_size", -1, "should be greater than or equal to 0, not -1"),
        ("tracking.wandb.mode", "of", "should be 'auto', 'online' or 'offline', not 'of'"),
        ("tracking.mode", "online", "is tracking.wandb.mode now"),
        ("tracking.trackio.project", "../up", "should match pattern"),
        ("trainer.learning_rate", -1e-3, "should be greater than 0, not -0.001"),
        ("trainer.max_steps", -1, "should be greater than 0, not -1"),
        ("trainer.optim", "adamw_torhc", "did you mean adamw_torch?"),
        ("trainer.lr_scheduler_type", "cosin", "did you mean cosine?"),
        ("trainer.weight_decay", "much", "expected float, not 'much'"),
        ("trainer.weight_decai", 0.1, "no such key; did you mean trainer.weight_decay?"),
        ("trainer.predict_with_generate", True, "is no field of TRL's SFTConfig"),
        ("lora.rr", 8, "no such key; did you mean lora.r?"),
        ("prompt.template", "Translate {text", "expected '}' before end of string"),
        ("seed", -1, "should be greater than or equal to 0, not -1"),
        ("sweep.name", "a/b", "should match pattern"),
    ],
)
def test_a_wrong_value_names_its_key_and_the_remedy(key, value, complaint):
    [problem] = problems_of({key: value})
    assert problem.key == key
    assert complaint in problem.complaint


def test_a_list_is_called_empty_only_where_nothing_was_given():
    [problem] = problems_of({"evaluation.metrics": []})
    assert problem.complaint == "is empty; at least one value is needed"
    [problem] = problems_of({"evaluation.metrics": ["chrF"]})
    assert problem.complaint.startswith("should be 'bleu', 'chrf'")


@pytest.mark.parametrize("value", [1.5, 0, -0.1, "many"])
def test_a_size_that_is_neither_count_nor_share_is_told_once(value):
    told = ConfigError(problems_of({"data.test_size": value}))
    assert [problem.key for problem in told.problems] == ["data.test_size"]


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("Say it in {lang}: {text}", ["{lang}", "{source}", "{target}", "{text}"]),
        ("Translate into {target}:", ["never shows {text}"]),
        ("Translate {}: {text}", ["no such field"]),
    ],
)
def test_a_template_without_its_fields_is_told_with_the_fields_as_they_are_written(template, told):
    [problem] = problems_of({"prompt.template": template})
    assert problem.key == "prompt.template"
    assert "{{" not in problem.complaint
    assert [words for words in told if words not in problem.complaint] == []


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_trainer_field_that_mtsweep_owns_is_refused_with_what_to_use_instead(name):
    [problem] = problems_of({f"trainer.{name}": "x"})
    assert problem == Problem(f"trainer.{name}", OURS[name])


def test_the_owned_fields_are_true_trainer_fields():
    assert {"report_to", "output_dir", "seed", "hub_token"} <= set(OURS)
    assert {f"trainer.{name}" for name in OURS} <= set(known_keys())


def test_a_field_of_the_causal_trainer_is_refused_for_an_encoder_decoder():
    [problem] = problems_of({"model": "tiny_seq2seq", "trainer.packing": True})
    assert problem.key == "trainer.packing"
    assert problem.complaint == (
        "is no field of Seq2SeqTrainingArguments, which trains this seq2seq model"
    )


@pytest.mark.parametrize("wrong", ["layer", "layers:0", "layers:", ["encoder", 3], 5])
def test_a_part_that_no_model_has_is_told_with_those_there_are(wrong):
    [problem] = problems_of({"model.freeze": wrong})
    assert problem.key == "model.freeze"
    assert "part" in problem.complaint


def test_a_decoder_only_model_has_no_encoder_to_freeze():
    [problem] = problems_of({"model.freeze": "encoder"})
    assert problem.key == "model.freeze"
    assert "use layers:N" in problem.complaint


def test_patience_needs_something_to_be_patient_with():
    [problem] = problems_of({"trainer.early_stopping_patience": 2})
    assert problem.key == "trainer.early_stopping_patience"
    assert "needs trainer.metric_for_best_model" in problem.complaint
    [problem] = problems_of(
        {"trainer.metric_for_best_model": "chrf", "trainer.early_stopping_threshold": 0.5}
    )
    assert problem.key == "trainer.early_stopping_threshold"


def test_hfs_own_way_of_choosing_is_answered_with_ours():
    [problem] = problems_of({"trainer.load_best_model_at_end": True})
    assert "set trainer.metric_for_best_model" in problem.complaint


def test_four_bits_and_full_training_do_not_go_together():
    [problem] = problems_of({"lora": "none", "lora.load_in_4bit": True})
    assert problem.key == "lora.load_in_4bit"
    assert "use lora=qlora or load_in_4bit=false" in problem.complaint


def test_equal_languages_are_told():
    [problem] = problems_of({"data.target_lang": "eng_Latn"})
    assert problem.key.startswith("data")
    assert "the same" in problem.complaint


@pytest.mark.parametrize(("source", "key"), [("files", "train_file"), ("gettext", "package")])
def test_a_reader_that_lacks_its_file_or_package_says_which_key(source, key):
    [problem] = problems_of({"data.source": source})
    assert problem.key == f"data.{key}"
    assert problem.complaint.startswith(f"must be given: data.{key}=")


def test_a_dev_file_needs_a_test_file():
    changes = {"data.source": "files", "data.train_file": "a", "data.dev_file": "b"}
    [problem] = problems_of(changes)
    assert problem.key == "data.test_file"


def test_all_problems_of_a_run_are_told_at_once_with_the_run():
    changes = {"lora.r": 0, "data.source_lang": "en", "trainer.max_steps": 0, "seed": -1}
    found = validate(values(changes), "model=qwen")
    assert isinstance(found, list)
    assert {problem.key for problem in found} == set(changes)
    assert {problem.run for problem in found} == {"model=qwen"}


def test_unknown_trainer_fields_are_kept_for_hf():
    assert config({"trainer.optim": "adafactor"}).trainer.others["optim"] == "adafactor"


def test_known_keys_hold_schema_and_trainer_fields_once():
    keys = known_keys()
    assert len(keys) == len(set(keys))
    assert {"lora.r", "seed", "sweep.name", "trainer.optim", "trainer.packing"} <= set(keys)
    assert "trainer.packing" not in known_keys("seq2seq")


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("lora.rank", None),
        ("lora.alpha", "lora.lora_alpha"),
        ("lora.lora_alhpa", "lora.lora_alpha"),
        ("trainer.lr_schedular_type", "trainer.lr_scheduler_type"),
        ("learning_rate", "trainer.learning_rate"),
        ("data.src_lang", None),
        ("zzz", None),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest(key, meant):
    expected = f"no such key; did you mean {meant}?" if meant else "no such key"
    assert unknown(key).startswith(expected)
