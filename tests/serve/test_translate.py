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
from mtsweep.serve.translator import opened


class Echo:
    """Says every text in capitals, with a line break in it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def translate(self, texts):
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


def test_without_a_configured_limit_it_follows_the_longest_line_and_the_context(finished):
    folder, _ = next(each for each in finished if each[0].adapter.is_dir())
    config = resolve.configuration(folder)
    decoding = config.decoding.model_copy(update={"max_new_tokens": None})
    config = config.model_copy(update={"decoding": decoding})
    with opened(config, None) as translator:
        short, long = translator.translate(["Hello.", "Where does it hurt? " * 5])
        assert 16 < short.tokens == long.tokens < 400  # it does not know how to stop
        with pytest.raises(UserError, match="too long for the model"):
            translator.translate(["Hello. " * 1024])


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
    ],
)
def test_what_is_wrong_is_told_before_a_model_is_loaded(here, capsys, arguments, complaint):
    (here / "in.txt").write_text("a\n")
    assert cli.run(["translate", *arguments]) == 2
    assert complaint in capsys.readouterr().err
