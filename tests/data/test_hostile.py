"""Files that nobody would write on purpose, from their bytes to the pairs of a run."""

import json
import subprocess
import sys

import pytest

from mtsweep.config import DataConfig
from mtsweep.data import load
from mtsweep.data.pairs import Corpus
from mtsweep.errors import UserError

PLAIN = [(f"question {n * n + 7} of the day", f"pregunta {n * n + 7} del día") for n in range(120)]


def section(path, **changes) -> DataConfig:
    told = {"name": "x", "source": "files", "source_lang": "eng_Latn", "target_lang": "spa_Latn"}
    told |= {"train_file": str(path), "test_size": 3, "dev_size": 3, "leaks": "keep"}
    return DataConfig.model_validate({**told, **changes})


def corpus(path, *rows: tuple[str, str], **changes) -> Corpus:
    lines = [json.dumps({"id": 1, "source": s, "target": t}) for s, t in (*PLAIN, *rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return load(section(path, **changes))


def texts(found: Corpus) -> set[tuple[str, str]]:
    return {(pair.source, pair.target) for pair in (*found.train, *found.dev, *found.test)}


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("nul \0 byte here", "byte \0 nulo aquí"),
        ("zero\u200bwidth and \ufeff mark", "ancho \u2060 cero"),
        ("isolated \u2067שלום\u2069 word", "palabra \u202e al revés"),
    ],
)
def test_hidden_signs_pass_through_reading_and_only_cleaning_changes_them(here, source, target):
    assert (source, target) in texts(corpus(here / "a.jsonl", (source, target), clean="none"))
    for one, other in texts(corpus(here / "b.jsonl", (source, target))):
        assert not set("\0\u200b\ufeff\u2060") & set(one + other)


def test_a_text_of_a_megabyte_is_read_and_dropped_for_its_length(here):
    long = ("word " * 200_000).strip()
    found = corpus(here / "a.jsonl", (long, "corto"), test_size=1, dev_size=1, split_seed=3)
    assert found.dropped.get("length") == 1 or (long, "corto") in {
        (pair.source, pair.target) for pair in (*found.dev, *found.test)
    }


def test_ids_of_the_file_may_repeat_without_losing_a_row(here):
    found = corpus(here / "a.jsonl")
    pairs = [*found.train, *found.dev, *found.test]
    assert len({pair.id for pair in pairs}) == len(pairs) == len(PLAIN)


@pytest.mark.parametrize("token", ["<|im_end|>", "</s>"])
def test_targets_with_control_tokens_are_not_trained_on(here, token):
    found = corpus(here / "a.jsonl", ("a question of mine", f"una {token} pregunta"))
    assert not any(token in pair.target for pair in found.train)
    assert token in " ".join(pair.target for pair in corpus(
        here / "b.jsonl", ("a question of mine", f"una {token} pregunta"), clean="none"
    ).train + found.dev + found.test)  # fmt: skip


def test_a_quote_that_is_never_closed_is_told_with_its_line(here):
    (here / "a.csv").write_text('source,target\na,b\nc,"d\ne,f\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"a\.csv, line 3: a quote that is never closed"):
        load(section(here / "a.csv"))


def test_aligned_files_of_unequal_length_are_refused_with_both_counts(here):
    (here / "c.en").write_text("a\nb\nc\n", encoding="utf-8")
    (here / "c.es").write_text("a\nb\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"c\.en has 3 lines, .*c\.es has 2"):
        load(section(here / "c", format="moses"))


_BOUNDED = """
import resource, sys
from mtsweep.config import DataConfig
from mtsweep.data.files import read_files
config = DataConfig.model_validate_json(sys.argv[1])
read_files(config)
room = 128 * 2**20
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + room, used + room))
big = config.model_copy(update={"train_file": sys.argv[2]})
print(len(read_files(big).train))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_sample_of_a_file_larger_than_memory_is_read_in_bounded_memory(here):
    small, big = here / "small.jsonl", here / "big.jsonl"
    block = [json.dumps({"source": f"{n} " + "x" * 1500, "target": f"{n} " + "y" * 1500}) for n in
             range(1000)]  # fmt: skip
    small.write_text("\n".join(block[:50]), encoding="utf-8")
    with big.open("w", encoding="utf-8") as out:
        for part in range(80):
            out.writelines(line.replace('"source": "', f'"source": "{part}-') + "\n" for line in
                           block)  # fmt: skip
    assert big.stat().st_size > 200 * 2**20
    config = section(small, sample=1000)
    ran = subprocess.run(
        [sys.executable, "-c", _BOUNDED, config.model_dump_json(), str(big)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-500:]
    assert ran.stdout.strip() == "1000"
