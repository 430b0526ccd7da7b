import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtsweep.config import DataConfig
from mtsweep.config.data import MILD, STRICT
from mtsweep.data import load
from mtsweep.data.clean import cleaned, normal
from mtsweep.data.pairs import Message, Pair, conversation, fold
from mtsweep.errors import UserError
from tests.overrides import problems_of


def asked(*steps, target="spa_Latn", **changes) -> DataConfig:
    return DataConfig(
        name="x", source="phrasebook", source_lang="eng_Latn", target_lang=target, clean=steps,
        **changes,
    )  # fmt: skip


def pair(source: str, target: str) -> Pair:
    return Pair("here:1", source, target, "here", fold(source))


def through(step: str, source: str, text: str, **changes) -> tuple[str, str] | None:
    kept, _ = cleaned([pair(source, text)], [], asked(step, **changes))
    return (kept[0].source, kept[0].target) if kept else None


@pytest.mark.parametrize(
    ("step", "source", "target"),
    [
        ("empty", "Good morning.", " \u00a0\t"),
        ("same", "See Paris", "see  PARIS"),
        ("length", "a", "b" * 4001),
        ("length", "word " * 401, "palabra"),
        ("ratio", "Yes.", "sí " * 60),
        ("control_tokens", "Hello.", "Hola.<|im_end|>"),
        ("control_tokens", "Hello.", "Hola.</s>"),
        ("control_tokens", "Hello.", "[INST] Hola."),
        ("drop_markup", "A <b>bold</b> word", "Una palabra"),
        ("drop_markup", "A word", "Una&nbsp;palabra"),
        ("script", "Good morning to you", "Доброе утро, товарищ"),
        ("numbers", "It costs 15 euros.", "Cuesta 50 euros."),
        ("numbers", "Chapter 3, page 4", "Capítulo 3"),
        ("language", "Where is the railway station, please?", "Where is the railway station now?"),
    ],
)
def test_a_step_drops_what_it_is_named_for(step, source, target):
    assert through(step, source, target) is None


@pytest.mark.parametrize(
    ("step", "source", "target"),
    [
        ("empty", "Yes.", "Sí."),
        ("same", "No problem", "Sin problema"),
        ("length", "word " * 400, "palabra"),
        ("ratio", "Yes.", "Por supuesto que sí."),
        ("control_tokens", "The tag <|im_end|> ends a turn", "La marca acaba un turno"),
        ("control_tokens", "a < b", "x[0] < y"),
        ("drop_markup", "a < b and b > c & d", "a < b y b > c & d"),
        ("script", "My name is Дмитрий.", "Me llamo Дмитрий."),
        ("script", "NATO", "НАТО"),
        ("numbers", "It costs 1,500.50 euros.", "Cuesta 1.500,50 euros."),
        ("numbers", "At 12:30", "A las 12.30"),
        ("language", "Where is the railway station, please?", "¿Dónde está la estación de tren?"),
        ("language", "Taxi", "Taxi"),
    ],
)
def test_a_step_keeps_what_only_looks_like_it(step, source, target):
    assert through(step, source, target) == (source, target)


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        ("mojibake", "Â¿DÃ³nde estÃ¡?", "¿Dónde está?"),
        ("control", "uno\x00dos\u200btres\ufeff", "unodostres"),
        ("strip_markup", "Una <a href='x'>palabra</a> &amp; otra", "Una palabra & otra"),
    ],
)
def test_a_step_mends_what_can_be_mended(step, before, after):
    assert through(step, "Where is it?", before) == ("Where is it?", after)


@pytest.mark.parametrize(
    "text", ["தமிழ் மொழி", "नमस्ते दुनिया", "می\u200cخواهم", "שלום\u200f", "uno\ndos\tes"]
)
@pytest.mark.parametrize("step", ["mojibake", "control"])
def test_joiners_direction_marks_and_line_ends_stay(step, text):
    assert through(step, "x", text) == ("x", text)


def test_numbers_agree_across_the_digits_of_scripts():
    assert through("numbers", "Room 15", "அறை ௧௫", target="tam_Taml")


def test_a_target_in_its_own_script_is_kept_and_one_in_another_is_dropped():
    assert through("script", "Good morning to all", "அனைவருக்கும் காலை வணக்கம்", target="tam_Taml")
    assert (
        through("script", "Good morning to all", "Good morning to all", target="tam_Taml") is None
    )
    assert through(
        "script", "Good morning to all", "大家早上好，今天天气很好啊朋友们", target="zho_Hans"
    )
    assert through("script", "Good morning to all", "おはようございます皆さん", target="jpn_Jpan")


def test_duplicates_are_told_whatever_their_case_spaces_and_punctuation():
    pairs = [pair("Where is it?", "¿Dónde está?"), pair("where  is it", "dónde está"),
             pair("Where is it?", "¿Dónde queda?")]  # fmt: skip
    kept, (step,) = cleaned(pairs, [], asked("duplicates"))
    assert [each.target for each in kept] == ["¿Dónde está?", "¿Dónde queda?"]
    assert (step.seen, step.dropped, step.examples) == (3, 1, (("where  is it", "dónde está"),))
    kept, _ = cleaned(pairs, [], asked("one_target"))
    assert [each.target for each in kept] == ["¿Dónde está?"]


def test_vowel_signs_tell_sentences_apart():
    # A pattern of "word characters" would take the vowel signs of Indic scripts for punctuation.
    assert normal("பள்ளி") != normal("பள்ளு")


def test_steps_go_in_the_order_given_and_each_counts_what_came_to_it():
    pairs = [pair("a\x00", "\x00"), pair("b", "c")]
    _, first = cleaned(pairs, [], asked("control", "empty"))
    _, last = cleaned(pairs, [], asked("empty", "control"))
    assert [(s.name, s.seen, s.dropped, s.changed) for s in first] == [
        ("control", 2, 0, 1), ("empty", 2, 1, 0),
    ]  # fmt: skip
    assert [(s.name, s.dropped) for s in last] == [("empty", 0), ("control", 0)]


def test_three_examples_are_kept_and_all_are_counted():
    _, (step,) = cleaned([pair(f"same {n}", f"same {n}") for n in range(9)], [], asked("same"))
    assert (step.dropped, len(step.examples)) == (9, 3)


def test_every_turn_of_a_conversation_is_cleaned():
    turns = [Message("user", "Hi\x00"), Message("assistant", "Hello."), Message("user", "And?"),
             Message("assistant", "No\x00.")]  # fmt: skip
    kept, _ = cleaned([conversation("c:1", turns, "here")], [], asked("control", "empty"))
    assert [turn.content for turn in kept[0].messages] == ["Hi", "Hello.", "And?", "No."]
    assert kept[0].target == "No."
    turns[1] = Message("assistant", "Hello.<|im_end|>")
    kept, _ = cleaned([conversation("c:1", turns, "here")], [], asked("control_tokens"))
    assert not kept


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=8))
def test_cleaning_is_done_once(rows):
    # Mending mojibake is left out: what is mended of random signs may be mojibake again.
    config = asked(*MILD[1:])
    once, _ = cleaned([pair(source, target) for source, target in rows], [], config)
    twice, steps = cleaned(once, [], config)
    assert twice == once
    assert not any(step.dropped or step.changed for step in steps)


@pytest.mark.parametrize("target", ["spa_Latn", "deu_Latn", "fra_Latn", "tam_Taml"])
def test_mild_cleaning_and_leaks_drop_nothing_of_the_phrasebook(target):
    told = {"name": "p", "source": "phrasebook", "source_lang": "eng_Latn", "target_lang": target}
    mild, none = load(DataConfig(**told)), load(DataConfig(**told, clean="none", leaks="keep"))
    assert mild.dropped == {}
    assert mild.fingerprint == none.fingerprint


def dirty(here, **changes) -> DataConfig:
    """Two thirds pairs, one third lines that were never translated."""
    rows = [(f"Sentence number {n} here", f"Frase número {n} aquí") for n in range(80)]
    rows += [(f"Same here {n}", f"Same here {n}") for n in range(40)]
    text = "source\ttarget\n" + "".join(f"{source}\t{target}\n" for source, target in rows)
    (here / "pairs.tsv").write_text(text, encoding="utf-8")
    return DataConfig(
        name="f", source="files", source_lang="eng_Latn", target_lang="spa_Latn", test_size=20,
        dev_size=10, train_file="pairs.tsv", leaks="keep", **changes,
    )  # fmt: skip


def test_cleaning_changes_the_training_pairs_alone_and_comes_before_sizes(here):
    raw, mild, small = (load(dirty(here, **told)) for told in ({"clean": "none"}, {}, {"size": 30}))
    assert raw.test_fingerprint == mild.test_fingerprint == small.test_fingerprint
    assert any(each.source == each.target for each in mild.test)
    assert not any(each.source == each.target for each in mild.train)
    assert small.train == mild.train[:30]
    step = next(step for step in mild.steps if step.name == "same")
    assert step.dropped == mild.dropped["same"]
    assert step.held_out == sum(p.source == p.target for p in mild.test + mild.dev) > 0


def test_a_step_that_leaves_nothing_is_told(here):
    with pytest.raises(UserError, match=r"data\.clean: nothing is left to train on, of 90 pairs"):
        load(dirty(here, min_words=9))


def test_the_sets_of_steps_are_named():
    told = {"name": "p", "source": "phrasebook", "source_lang": "eng_Latn"}
    named = {name: DataConfig(**told, target_lang="spa_Latn", clean=name).clean
             for name in ("none", "mild", "strict", "empty")}  # fmt: skip
    assert named == {"none": (), "mild": MILD, "strict": STRICT, "empty": ("empty",)}


def test_an_unknown_step_is_told_with_those_that_there_are():
    (problem,) = problems_of({"data.clean": ["empty", "laundry"]})
    assert problem.key == "data.clean"
    assert problem.complaint.startswith("no such step: 'laundry'; there are: mojibake, control, ")
