import os
import subprocess
import sys

import pytest

from mtsweep.cli import help_text, run
from mtsweep.compose import composer, groups
from mtsweep.errors import ConfigError, Problem, UserError
from tests.overrides import composed, refused

MODELS = (
    "there are: causal, llama, llama3b, marian, nllb, qwen, seq2seq, smollm2, tiny_causal, "
    "tiny_seq2seq"
)


@pytest.mark.parametrize(
    ("overrides", "key", "remedy"),
    [
        (["lora.rr=8"], "lora.rr", "no such key; did you mean lora.r?"),
        (["+lora.rr=8"], "lora.rr", "no such key; did you mean lora.r?"),
        (["learning_rate=1e-4"], "learning_rate", "did you mean trainer.learning_rate?"),
        (["+trainer.weight_decai=0"], "trainer.weight_decai", "did you mean trainer.weight_decay?"),
        (["foo=1"], "foo", "no such key; see --help"),
        (["model=smollm"], "model", f"no option 'smollm'; {MODELS}"),
        (["lora={r: 8}"], "lora", "there are: dora, lora, none, qlora"),
        (["-m", "lora=lora,foo"], "lora", "no option 'foo'; there are: dora, lora, none, qlora"),
        (["lora.r=0"], "lora.r", "should be greater than 0, not 0"),
        (["lora.r=eight"], "lora.r", "should be a valid integer"),
        (["data.size=0"], "data.size", "should be greater than 0, not 0"),
        (["data.source_lang=eng"], "data.source_lang", "did you mean eng_Latn?"),
        (["data.source_lang=false"], "data.source_lang", "reads an unquoted no as False: quote it"),
        (["data.target_lang=eng_Latn"], "data", "source_lang and target_lang are the same"),
        (["lora.r=8,16"], "lora.r", "several values need -m: mtsweep -m lora.r=8,16"),
        (["seed=range(1,4)"], "seed", "several values need -m"),
        (["lora.r=[8"], "lora.r=[8", "no viable alternative"),
        (["lora.r"], "lora.r", "has no value; lora.r=… sets one"),
        (["trainer.predict_with_generate=true"], "trainer.predict_with_generate", "SFTConfig"),
        (["model=tiny_seq2seq", "trainer.packing=true"], "trainer.packing", "Seq2SeqTraining"),
        (["trainer.optim=adamw_torhc"], "trainer.optim", "did you mean adamw_torch?"),
        (["trainer.report_to=wandb"], "trainer.report_to", "use tracking=wandb, trackio or none"),
        (["lora=none", "lora.load_in_4bit=true"], "lora.load_in_4bit", "use lora=qlora"),
        (["model=causal"], "model.name", "must be given: model.name=owner/name"),
        (["~lora"], "lora", "must be given"),
    ],
    ids=lambda told: " ".join(told) if isinstance(told, list) else "",
)
def test_a_wrong_override_names_the_key_and_the_remedy(here, overrides, key, remedy):
    error = refused(*overrides)
    assert [problem.key for problem in error.problems] == [key]
    assert remedy in error.problems[0].complaint
    assert error.exit_code == 2
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    "override",
    [
        "lora=null",
        "data.size=${foo}",
        "data.source_lang=[eng_Latn]",
        "lora@x=lora",
        "hydra.foo=1",
        "hydra/launcher=foo",
    ],
)
def test_an_odd_override_is_told_in_words_too(here, override):
    error = refused(override)
    assert len(error.problems) == 1
    assert list(here.iterdir()) == []


def test_an_option_that_may_be_left_out_can_be(here):
    assert len(composed("experiment=null")) == 1


def test_an_unknown_experiment_is_told_with_what_there_is(here):
    [problem] = refused("experiment=foo").problems
    assert problem.key == "experiment"
    assert "no option 'foo'; there are: " in problem.complaint


def test_an_unknown_flag_is_told(here):
    with pytest.raises(UserError, match=r"unrecognized arguments: --bogus; see .*--help"):
        composed("--bogus")


def test_all_problems_are_told_at_once_in_this_layout(here):
    assert str(refused("-m", "lora.rr=8", "data.source_lang=eng")) == (
        "2 problems in the configuration:\n"
        "  lora.rr           no such key; did you mean lora.r?\n"
        "  data.source_lang  'eng' is no FLORES-200 code; did you mean eng_Latn?"
    )


def test_a_problem_of_some_runs_names_the_run_and_one_of_all_runs_is_told_once(here):
    error = refused("-m", "lora.r=0,8,-1", "seed=1,2", "data.source_lang=eng")
    assert sorted(error.problems) == [
        Problem("data.source_lang", "'eng' is no FLORES-200 code; did you mean eng_Latn?"),
        Problem("lora.r", "should be greater than 0, not -1", "lora.r=-1, seed=1"),
        Problem("lora.r", "should be greater than 0, not -1", "lora.r=-1, seed=2"),
        Problem("lora.r", "should be greater than 0, not 0", "lora.r=0, seed=1"),
        Problem("lora.r", "should be greater than 0, not 0", "lora.r=0, seed=2"),
    ]
    assert list(here.iterdir()) == []


def test_the_layout_of_one_problem_of_one_run():
    assert str(ConfigError([Problem("lora.r", "should be greater than 0, not 0", "lora.r=0")])) == (
        "1 problem in the configuration:\n"
        "  lora.r  should be greater than 0, not 0   (in the run with lora.r=0)"
    )


def test_a_problem_told_twice_is_one_problem():
    assert len(ConfigError([Problem("a", "b"), Problem("a", "b")]).problems) == 1


def test_the_command_line_says_it_on_stderr_and_exits_with_2(here, capsys):
    assert run(["lora.rr=8"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "1 problem in the configuration:\n  lora.rr  no such key; did you mean lora.r?\n"
    )


def test_a_grid_gives_every_combination_with_what_tells_it_apart(here):
    jobs = composed("-m", "lora.r=8,16", "seed=1,2", "data.size=50")
    assert [job.overrides for job in jobs] == [
        "lora.r=8, seed=1",
        "lora.r=8, seed=2",
        "lora.r=16, seed=1",
        "lora.r=16, seed=2",
    ]
    assert [(job.config.lora.r, job.config.seed) for job in jobs] == [
        (8, 1), (8, 2), (16, 1), (16, 2)
    ]  # fmt: skip
    assert {job.config.data.size for job in jobs} == {50}
    assert list(here.iterdir()) == []


def test_groups_can_be_swept(here):
    jobs = composed("-m", "model=tiny_causal,tiny_seq2seq", "lora=lora,none")
    assert [(job.config.model.kind, job.config.lora.method) for job in jobs] == [
        ("causal", "lora"), ("causal", "none"), ("seq2seq", "lora"), ("seq2seq", "none")
    ]  # fmt: skip


def test_a_glob_sweeps_over_the_options_that_match(here):
    jobs = composed("-m", "model=glob(tiny*)")
    assert [job.config.model.name for job in jobs] == ["tiny_causal", "tiny_seq2seq"]


def test_a_known_key_needs_no_plus_where_the_yaml_leaves_it_out(here):
    [job] = composed("trainer.optim=adafactor", "model=tiny_causal", "lora=none", "lora.r=4")
    assert job.overrides == ""
    assert job.config.trainer.others["optim"] == "adafactor"
    assert job.config.lora.r == 4


def test_a_rate_in_yaml_1_2_notation_is_a_number(here):
    [job] = composed("trainer.learning_rate=1e-4")
    assert job.config.trainer.learning_rate == 1e-4


@pytest.mark.parametrize("folder", ["plain", "größe, 100%41 neu"])
def test_a_users_own_option_is_found_and_listed(here, monkeypatch, folder):
    own = here / folder / "conf" / "lora" / "mine.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("# What I like\nmethod: lora\nr: 3\n", encoding="utf-8")
    monkeypatch.chdir(here / folder)
    [job] = composed("lora=mine")
    assert job.config.lora.r == 3
    assert groups()["lora"]["mine"] == "What I like"
    assert "mine What I like" in [" ".join(line.split()) for line in help_text().splitlines()]


def test_a_users_own_option_wins_over_the_shipped_one(here):
    own = here / "conf" / "lora" / "lora.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("method: lora\nr: 3\n", encoding="utf-8")
    [job] = composed()
    assert job.config.lora.r == 3


def test_norwegian_in_a_users_own_yaml_is_explained(here):
    own = here / "conf" / "data" / "mine.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(
        "name: mine\nsource: phrasebook\nsource_lang: eng_Latn\ntarget_lang: no\n", encoding="utf-8"
    )
    [problem] = refused("data=mine").problems
    assert problem.key == "data.target_lang"
    assert "YAML reads an unquoted no as False: quote it" in problem.complaint


def test_a_mistyped_key_in_a_users_own_yaml_is_told(here):
    own = here / "conf" / "lora" / "mine.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("method: lora\nlora_alhpa: 3\n", encoding="utf-8")
    assert refused("lora=mine").problems == (
        Problem("lora.lora_alhpa", "no such key; did you mean lora.lora_alpha?"),
    )


def test_a_users_own_yaml_that_is_no_yaml_is_told(here):
    own = here / "conf" / "lora" / "mine.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("method: [lora\n", encoding="utf-8")
    [problem] = refused("lora=mine").problems
    assert "mine.yaml" in f"{problem.key} {problem.complaint}"


@pytest.mark.parametrize(
    "said",
    [
        "from mtsweep.cli import run; run(['--help'])",
        "from mtsweep import plan, table, terminal; from mtsweep.compose import compose; "
        "plan.make(compose(['-m', 'lora.r=8,16'], print))",
    ],
    ids=["help", "plan"],
)
def test_neither_help_nor_a_plan_imports_a_heavy_library(here, said):
    heavy = ("torch", "transformers", "trl", "peft", "datasets", "wandb", "numpy")
    code = f"import sys; {said}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=here, capture_output=True, text=True, env=os.environ,
        check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["lora.r=2,4", "seed=1,2"],
        ["trainer.learning_rate=1e-3,0.002", "lora.target_modules=[q_proj,v_proj],all-linear"],
        ["model=tiny_causal,smollm2", "data.size=10,20"],
        ["data.domains=[travel],null", "decoding.num_beams=1,2", "lora=lora,none"],
        ["experiment=lora_rank", "seed=3,4", "prompt.template='{text} =','{text} in {target}:'"],
        ["sweep.name=mine", "output_dir=one,two", "trainer.optim=adafactor,adamw_torch"],
        ["model.revision=12,abc", "~trainer.weight_decay", "seed=1,2"],
    ],
)
def test_runs_composed_together_are_what_hydra_composes_one_by_one(arguments, monkeypatch):
    together = composed("-m", *arguments)
    monkeypatch.setattr(composer, "_plain_value", lambda _text: None)
    assert composed("-m", *arguments) == together
    assert len(together) > 1


def test_a_thousand_runs_are_composed_once():
    loads = []
    real = composer._without_references
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            composer, "_without_references", lambda made: loads.append(made) or real(made)
        )
        assert len(composed("-m", "seed=range(0,200)", "lora.r=1,2,3,4,5")) == 1000
    assert len(loads) == 1
