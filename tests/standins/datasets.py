"""Small data sets in the true columns, laid out in a hub cache under their true names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mtsweep.data.phrases import phrases

COMMIT = "0123456789abcdef0123456789abcdef01234567"
Rows = list[dict[str, Any]]


def lay_out_datasets(cache: Path) -> None:
    """Put every stand-in into a hub cache."""
    for name, write in WRITERS.items():
        repository = cache / f"datasets--{name.replace('/', '--')}"
        snapshot = repository / "snapshots" / COMMIT
        snapshot.mkdir(parents=True, exist_ok=True)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / "main").write_text(COMMIT, encoding="ascii")
        write(snapshot)


def texts(*languages: str, count: int = 120) -> list[tuple[str, ...]]:
    """Sentences in several languages, out of the phrasebook."""
    rows = [row for domain in phrases().values() for row in domain]
    return [tuple(row[code] for code in languages) for row in rows[:count]]


def _parquet(path: Path, rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def _card(folder: Path, configs: Mapping[str, Mapping[str, str]]) -> None:
    """The head of a data set's README, which names its configs and their files."""
    lines = ["---", "configs:"]
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        for split, path in splits.items():
            lines += [f"  - split: {split}", f"    path: {path}"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")


def opus_books(folder: Path) -> None:
    """A config a pair, one split, the nested form."""
    pairs = {"en-es": ("eng_Latn", "spa_Latn"), "de-en": ("deu_Latn", "eng_Latn")}
    for config, codes in pairs.items():
        keys = config.split("-")
        rows: Rows = [
            {"id": str(number), "translation": dict(zip(keys, row, strict=True))}
            for number, row in enumerate(texts(*codes))
        ]
        _parquet(folder / config / "train-00000-of-00001.parquet", rows)
    _card(folder, {name: {"train": f"{name}/train-*"} for name in pairs})


def flores_plus(folder: Path) -> None:
    """A config a language, rows joined by id, dev and devtest."""
    codes = ("deu_Latn", "fra_Latn")
    for code in codes:
        sentences = [row[0] for row in texts(code)]
        for split, part in (("dev", sentences[:80]), ("devtest", sentences[80:])):
            rows: Rows = [
                {"id": n, "text": text, "domain": "wikinews"} for n, text in enumerate(part)
            ]
            _parquet(folder / split / f"{code}.parquet", rows)
    _card(folder, {code: {s: f"{s}/{code}.parquet" for s in ("dev", "devtest")} for code in codes})


def nllb_en_ta(folder: Path) -> None:
    """One file of rows with a column a language."""
    rows = texts("eng_Latn", "tam_Taml")
    lines = [json.dumps({"en": en, "ta": ta}, ensure_ascii=False) for en, ta in rows]
    (folder / "train.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def finetome(folder: Path) -> None:
    """ShareGPT conversations with a source and a score beside them; some have a system message."""
    rows: Rows = []
    for number, (en, es) in enumerate(texts("eng_Latn", "spa_Latn")):
        turns = [
            {"from": "human", "value": f"How does one say <|eot_id|> {en!r} in Spanish?"},
            {"from": "gpt", "value": es},
        ]
        if number % 3 == 0:
            turns += [{"from": "human", "value": "And again?"}, {"from": "gpt", "value": f"{es}!"}]
        if number % 4 == 0:
            turns.insert(0, {"from": "system", "value": "You teach Spanish."})
        rows.append({"conversations": turns, "source": "a/set", "score": 4.5 + number / 1000})
    _parquet(folder / "data" / "train-00000-of-00001.parquet", rows)
    _card(folder, {"default": {"train": "data/train-*"}})


def wizardlm(folder: Path) -> None:
    """One JSON file, an array of instructions and outputs."""
    rows = [
        {"output": en, "instruction": f"Say this in English: {de}"}
        for de, en in texts("deu_Latn", "eng_Latn")
    ]
    (folder / "alpaca_evol_instruct_70k.json").write_text(
        json.dumps(rows, ensure_ascii=False), encoding="utf-8"
    )


WRITERS: dict[str, Callable[[Path], None]] = {
    "Helsinki-NLP/opus_books": opus_books,
    "openlanguagedata/flores_plus": flores_plus,
    "NLPC-UOM/nllb-top25k-enta-cleaned": nllb_en_ta,
    "mlabonne/FineTome-100k": finetome,
    "WizardLMTeam/WizardLM_evol_instruct_70k": wizardlm,
}
NAMES: Sequence[str] = tuple(WRITERS)
