"""``mtsweep translate``, from the command line in."""

from __future__ import annotations

import io

import pytest

from mtsweep import cli
from mtsweep.errors import UserError
from mtsweep.evaluation.generate import Hypothesis
from mtsweep.serve import lines as pieces
from mtsweep.serve import resolve
from mtsweep.serve.lines import Draft, lines_of, translated
from mtsweep.serve.sentences import join, split
from mtsweep.serve.translator import Translator, opened


class Echo(Translator):
    """Says every text in capitals, with a line break in it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def translate(self, texts, advance=lambda _: None):
        self.asked += texts
        return [Hypothesis(text.upper() + "\n!", stopped=text != "b", tokens=2) for text in texts]


def test_the_sources_of_a_finished_run_give_its_predictions(output, finished, base, here, capsys):
    for folder in [*(folder for folder, _ in finished), base]:
        rows = folder.predictions("test")
        assert len(rows) == 12
        (here / "in.txt").write_text("".join(row["source"] + "\n" for row in rows), "utf-8")
        given = ["translate", folder.id, "--file", "in.txt", "--output-dir", str(output)]
        assert cli.run([*given, "--to", "out.txt"]) == 0
        told = (here / "out.txt").read_text(encoding="utf-8")
        assert told == "".join(" ".join(row["hypothesis"].splitlines()) + "\n" for row in rows)
        cut = sum(not row["stopped"] for row in rows)
        assert (f"warning: {cut} of 12 outputs" in capsys.readouterr().err) == (cut > 0)
        assert cli.run(given) == 0
        assert capsys.readouterr().out == told
    assert sorted(path.name for path in here.iterdir()) == ["in.txt", "out.txt"]


def test_runs_say_other_things_than_their_base(output, finished, base):
    said = [
        [row["hypothesis"] for row in folder.predictions("test")]
        for folder in (base, finished[0][0], finished[1][0])
    ]
    assert len({tuple(each) for each in said}) == 3


@pytest.fixture(scope="module")
def free(finished):
    """The adapter's configuration without a limit of generated tokens, and its weights."""
    folder, record = next(each for each in finished if each[0].adapter.is_dir())
    config = resolve.configuration(folder)
    decoding = config.decoding.model_copy(update={"max_new_tokens": None})
    return config.model_copy(update={"decoding": decoding}), resolve.weights(folder, record)


def test_without_a_configured_limit_it_follows_each_line(free):
    with opened(free[0], None) as translator:
        short, long = translator.translate(["Hello.", "Where does it hurt? " * 5])
        assert 16 < short.tokens < long.tokens < 400  # it does not know how to stop
        assert translator.translate(["Hello."]) == [short]


def test_a_line_that_does_not_fit_is_translated_by_sentences_and_any_other_is_not(
    free, monkeypatch
):
    with opened(free[0], None) as translator:
        sentences = ["Where does it hurt?", "It hurts here.", "Thank you!"] * 4
        line = " ".join(sentences)
        whole, *apart = translator.translate([line, *sentences])
        assert translator.split == 0
        given = len(translator._codec().source_ids(line))
        monkeypatch.setattr(type(translator), "_context", given + 1)
        (joined,) = translator.translate([line])
        assert joined.text == " ".join(each.text for each in apart if each.text)
        assert joined.tokens == sum(each.tokens for each in apart)
        assert joined.stopped == all(each.stopped for each in apart)
        assert (joined != whole, translator.split) == (True, 1)
        # No sentence ends here, and no word.
        for endless in ("so it goes on " * 60, "x" * 400):
            assert translator.translate([endless])[0].tokens > joined.tokens
        monkeypatch.setattr(type(translator), "_context", 5)
        with pytest.raises(UserError, match="the prompt leaves no room"):
            translator.translate(["Hello."])


def test_long_lines_are_translated_fewer_at_once_and_short_ones_as_they_were_scored(free):
    with opened(*free) as translator:
        codec, given = translator._codec(), ["Hello. " * 200, *["Yes."] * 150, "Good. " * 200]
        decoding = free[0].decoding
        batches = list(translator._batches(codec, given, decoding))
        assert sorted(place for batch in batches for place in batch) == list(range(152))
        assert len(batches[0]) == 16_384 // 1024  # two long ones fill the context
        assert max(map(len, batches)) == decoding.batch_size == 100
        translator.tokens = None
        assert [len(batch) for batch in translator._batches(codec, given, decoding)] == [100, 52]


@pytest.mark.parametrize(
    ("text", "language", "parts"),
    [
        ("Dr. Smith left. Was he late?", "eng_Latn", ["Dr. Smith left.", "Was he late?"]),
        ("நான் போகிறேன். எங்கே?", "tam_Taml", ["நான் போகிறேன்.", "எங்கே?"]),
        ("我走了。你来吗?", "zho_Hans", ["我走了。", "你来吗?"]),
        ("One two three four.", "eng_Latn", ["One two three four."]),
    ],
)
def test_sentences_of_several_scripts(text, language, parts):
    assert split(text, language, lambda _: True) == parts
    assert join(parts, language) == text
    assert split("one two three", language, lambda part: len(part) < 6) == ["one", "two", "three"]


@pytest.mark.parametrize(("data", "lines"), [(b"", 0), (b"a", 1), (b"a\n", 1), (b"a\n\nb", 3)])
def test_lines_are_counted(here, data, lines):
    (here / "in.txt").write_bytes(data)
    assert pieces.count(here / "in.txt") == lines


def test_lines_stay_lines(monkeypatch):
    monkeypatch.setattr(pieces, "PIECE", 2)
    data = "\ufeffa\u2028x\r\n\nb\n  \nc".encode()
    given = list(lines_of(io.BytesIO(data), "in.txt"))
    assert given == ["a\u2028x", "", "b", "  ", "c"]
    found = list(translated(Echo(), given))
    assert [out for _, out, _ in found] == [["A X !", ""], ["B !", ""], ["C !"]]
    assert [cut for *_, cut in found] == [0, 1, 0]
    with pytest.raises(UserError, match=r"in\.txt: line 2 is not UTF-8"):
        list(lines_of(io.BytesIO(b"a\n\xff\n"), "in.txt"))


def _interrupted(path, given, after):
    draft = Draft(path, "maker")
    for piece, out, cut in translated(Echo(), draft.resume(iter(given))):
        draft.add(piece, out, cut)
        if draft.lines >= after:
            return


def _finished(path, given, maker="maker"):
    draft, echo = Draft(path, maker), Echo()
    for piece, out, cut in translated(echo, draft.resume(iter(given))):
        draft.add(piece, out, cut)
    draft.finish()
    return draft, echo


def test_an_interrupted_file_goes_on_where_it_was(here, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE", 2)
    given = ["a", "b", "", "d", "e"]
    path = here / "out.txt"
    _interrupted(path, given, after=2)
    assert not path.exists()
    with (here / "out.txt.draft").open("a") as file:
        file.write("torn off in the mid")
    draft, echo = _finished(path, given)
    assert echo.asked == ["d", "e"]
    assert path.read_text() == "A !\nB !\n\nD !\nE !\n"
    assert (draft.lines, draft.unstopped) == (5, 1)
    assert [each.name for each in here.iterdir()] == ["out.txt"]


@pytest.mark.parametrize(
    ("maker", "given"), [("another", ["a", "b", "c"]), ("maker", ["a", "x", "c"]), ("maker", ["a"])]
)
def test_a_draft_of_another_model_or_of_other_lines_is_not_gone_on_with(
    here, monkeypatch, maker, given
):
    monkeypatch.setattr(pieces, "PIECE", 2)
    path = here / "out.txt"
    _interrupted(path, ["a", "b", "c"], after=2)
    _, echo = _finished(path, given, maker)
    assert echo.asked == given
    assert path.read_text() == "".join(f"{line.upper()} !\n" for line in given)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["zzz", "--text", "a"], "zzz: no run"),
        (["--file", "none.txt"], "--file none.txt: there is no such file"),
        (["--file", "in.txt", "--to", "in.txt"], "is the file that is read"),
        (["--text", "a", "--to", "none/out.txt"], "not a file in an existing folder"),
        (["--text", "a", "--beam", "0"], "no number from 1 up"),
        (["best", "--text", "a"], "no sweep there"),
        (["--text", "a", "--batch", "x"], "no number from 1 up"),
        (["--text", "a", "--device", "tpu"], "'tpu' is no device"),
    ],
)
def test_what_is_wrong_is_told_before_a_model_is_loaded(here, capsys, arguments, complaint):
    (here / "in.txt").write_text("a\n")
    assert cli.run(["translate", *arguments]) == 2
    assert complaint in capsys.readouterr().err
