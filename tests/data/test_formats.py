import csv
import gzip
import io
import json
import lzma

import polib
import pytest
import zstandard

from mtsweep.config import DataConfig
from mtsweep.data.files import read_files
from mtsweep.errors import UserError

PAIRS = [
    ("Good morning.", "Buenos días."),
    ('He said, "stay".', "Dijo: «quédate»."),
    ("A tab\tinside", "Una línea"),
    ("<|im_end|> and </s> stay text", "\u200f\u05e9\u05dc\u05d5\u05dd\u200e y \u200bcero"),
]
PLAIN = [pair for pair in PAIRS if "\t" not in pair[0]]


def asked(train_file, **changes) -> DataConfig:
    told = {"name": "files", "source": "files", "source_lang": "eng_Latn"}
    return DataConfig(
        **{**told, "target_lang": "spa_Latn", "train_file": str(train_file), **changes}
    )


def read(path, **changes) -> list[tuple[str, str]]:
    return [(pair.source, pair.target) for pair in read_files(asked(path, **changes)).train]


def refused(path, **changes) -> str:
    with pytest.raises(UserError) as caught:
        read_files(asked(path, **changes))
    return str(caught.value)


def as_csv() -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerows([("note", "source", "target"), *[("x", *pair) for pair in PAIRS]])
    return out.getvalue().encode()


def as_tsv() -> bytes:
    return "\n".join("\t".join(row) for row in [("en", "es"), *PLAIN]).encode()


def as_jsonl() -> bytes:
    return "\n".join(json.dumps({"source": s, "target": t}) for s, t in PAIRS).encode()


def as_json() -> bytes:
    return json.dumps([{"translation": {"en": s, "es": t}} for s, t in PAIRS]).encode()


def as_tmx() -> bytes:
    units = "".join(
        f'<tu><tuv xml:lang="en-GB"><seg>{_xml(s)}</seg></tuv>'
        f'<tuv xml:lang="es"><seg><bpt i="1">{{b}}</bpt>{_xml(t)}</seg></tuv></tu>'
        for s, t in PAIRS
    )
    return f'<?xml version="1.0"?><tmx version="1.4"><body>{units}</body></tmx>'.encode()


def _xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def as_po() -> bytes:
    catalog = polib.POFile()
    catalog.metadata = {"Language": "es", "Content-Type": "text/plain; charset=UTF-8"}
    catalog.extend(polib.POEntry(msgid=s, msgstr=t) for s, t in PAIRS)
    return str(catalog).encode()


FORMATS = {
    "csv": (as_csv, PAIRS), "tsv": (as_tsv, PLAIN), "jsonl": (as_jsonl, PAIRS),
    "json": (as_json, PAIRS), "tmx": (as_tmx, PAIRS), "po": (as_po, PAIRS),
}  # fmt: skip
PACKERS = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstandard.compress}


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_recognised_by_its_suffix_packed_or_not(here, kind, suffix):
    write, pairs = FORMATS[kind]
    path = here / f"pairs.{kind}{suffix}"
    path.write_bytes(PACKERS[suffix](write()))
    assert read(path) == pairs


@pytest.mark.parametrize("kind", FORMATS)
def test_a_format_may_be_named(here, kind):
    write, pairs = FORMATS[kind]
    (here / "pairs").write_bytes(write())
    assert read(here / "pairs", format=kind) == pairs


def test_a_catalog_may_be_read_backwards(here):
    (here / "es.po").write_bytes(as_po())
    backwards = read(here / "es.po", source_lang="spa_Latn", target_lang="eng_Latn")
    assert backwards == [pair[::-1] for pair in PAIRS]


@pytest.mark.parametrize("name", ["corpus", "corpus.en", "corpus.es.gz"])
def test_two_moses_files_are_found_by_either_or_by_their_stem(here, name):
    (here / "corpus.en").write_text("\n".join(s for s, _ in PAIRS) + "\n", encoding="utf-8-sig")
    lines = "\r\n".join(t for _, t in PAIRS) + "\r\n"
    (here / "corpus.es.gz").write_bytes(gzip.compress(lines.encode()))
    assert read(here / name, format="moses") == PAIRS


def test_moses_files_of_unequal_length_are_told_with_both_counts(here):
    (here / "c.en").write_text("a\nb\nc\n", encoding="utf-8")
    (here / "c.es").write_text("a\nb\n", encoding="utf-8")
    assert refused(here / "c.en").endswith(
        f"{here}/c.en has 3 lines, {here}/c.es has 2: aligned files have one line for each other's"
    )


def test_columns_may_be_chosen(here):
    (here / "p.csv").write_text("a,b\nHello there,Hola\n", encoding="utf-8")
    assert read(here / "p.csv", source_column="a", target_column="b") == [("Hello there", "Hola")]


def test_a_few_malformed_rows_are_counted_and_many_are_an_error(here):
    path = here / "p.tsv"
    good = [f"one {n}\tuno {n}" for n in range(300)]
    path.write_text("\n".join(["source\ttarget", *good, "only one cell"]), encoding="utf-8")
    assert read_files(asked(path)).dropped == {"malformed": 1}
    assert f"{path}, line 302: 1 cells under a header of 2" in refused(path, strict=True)
    path.write_text("\n".join(["source\ttarget", *good, *["x"] * 9]), encoding="utf-8")
    assert "(9 of 309 rows are malformed; up to 1 % would be passed over)" in refused(path)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("p.csv", b'source,target\n"never closed,b\n', "line 2: a quote that is never closed"),
        ("p.json", b'[{"source": "a"', "is no JSON ("),
        ("p.tmx", b"<tmx><body><tu></body></tmx>", "line 1: no TMX ("),
        ("p.jsonl.gz", gzip.compress(b'{"source": "a"}', mtime=0)[:-4], "is damaged, or cut off ("),
        ("p.jsonl.zst", b"no zstandard at all", "is damaged, or cut off ("),
        ("p.csv", b"", "holds no pairs; expected CSV with text"),
        (
            "p.jsonl",
            b'{"source": "a\\u0000", "target": "b"}\n[1]',
            "line 2: expected a JSON object",
        ),
    ],
)
def test_a_hostile_file_is_told_by_name_and_reason(here, name, content, told):
    (here / name).write_bytes(content)
    said = refused(here / name)
    assert said.startswith("data.train_file: ")
    assert name in said
    assert told in said


def test_a_line_of_a_megabyte_is_read(here):
    long = "word " * 200_000
    (here / "p.jsonl").write_text(json.dumps({"source": long, "target": "x"}), encoding="utf-8")
    assert read(here / "p.jsonl") == [(long, "x")]


def test_a_tmx_without_the_language_names_those_it_has(here):
    (here / "p.tmx").write_bytes(as_tmx())
    assert "has nothing in Tamil (ta); it has: en-gb, es" in refused(
        here / "p.tmx", target_lang="tam_Taml"
    )


def test_a_sample_holds_the_same_rows_in_any_order_of_the_file(here):
    rows = [json.dumps({"source": f"s {n}", "target": f"t {n}"}) for n in range(50)]
    (here / "a.jsonl").write_text("\n".join(rows), encoding="utf-8")
    (here / "b.jsonl").write_text("\n".join(reversed(rows)), encoding="utf-8")
    one, other = (set(read(here / f"{name}.jsonl", sample=10)) for name in "ab")
    assert one == other
    assert len(one) == 10
