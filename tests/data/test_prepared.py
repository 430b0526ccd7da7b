import json

import pytest

from mtsweep import data, store
from mtsweep.config import DataConfig
from mtsweep.data import prepared


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("MTSWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MTSWEEP_PREPARED", "on")
    monkeypatch.setattr(store, "WORTH", 0.0)
    return tmp_path / "cache" / "prepared"


def forget() -> None:
    """What another process would not know."""
    for known in (data._corpus, data._parts, data._clean, data._synthetic):
        known.cache_clear()


def wrote(path, count: int = 60, word: str = "text"):
    rows = [{"source": f"{word} {n} of many", "target": f"texto {n} de muchos"} for n in
            range(count)]  # fmt: skip
    rows += [{"source": "", "target": "x"}, {"source": "same", "target": "same"}, rows[-1]]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def section(file, **changes) -> DataConfig:
    told = {"name": "mine", "source": "files", "source_lang": "eng_Latn"}
    told |= {"target_lang": "spa_Latn", "train_file": str(file), "test_size": 5, "dev_size": 5}
    return DataConfig(**{**told, **changes})


def loaded(config: DataConfig):
    forget()
    return data.load(config)


def read_back(config: DataConfig, monkeypatch: pytest.MonkeyPatch):
    """The same, where nothing may be read from its source."""
    forget()
    with monkeypatch.context() as patch:
        patch.setattr(data, "_parts", lambda _: pytest.fail("it was read again"))
        return data.load(config)


def test_a_later_process_reads_what_an_earlier_one_prepared(tmp_path, monkeypatch, place):
    config = section(wrote(tmp_path / "pairs.jsonl"))
    first = loaded(config)
    assert len(list(place.glob("data-*[!k]"))) == 1
    assert read_back(config, monkeypatch) == first
    monkeypatch.setenv("MTSWEEP_PREPARED", "off")
    assert loaded(config) == first


def test_names_and_sizes_do_not_count(tmp_path, monkeypatch):
    config = section(wrote(tmp_path / "pairs.jsonl"))
    loaded(config)
    other = section(tmp_path / "pairs.jsonl", name="other", size=7)
    assert len(read_back(other, monkeypatch).train) == 7


@pytest.mark.parametrize("change", ["content", "setting", "code"])
def test_other_content_settings_or_code_are_prepared_anew(tmp_path, monkeypatch, place, change):
    config = section(wrote(tmp_path / "pairs.jsonl"))
    first = loaded(config)
    if change == "content":
        wrote(tmp_path / "pairs.jsonl", word="Text")  # as long as before
        assert loaded(config).fingerprint != first.fingerprint
    elif change == "setting":
        assert loaded(section(tmp_path / "pairs.jsonl", min_words=5, clean="none")) != first
    else:
        monkeypatch.setattr(prepared, "_made_by", lambda: ["another version"])
        assert loaded(config) == first
        assert len(list(place.glob("data-*[!k]"))) == 2


def test_conversations_languages_and_leaks_come_back_as_they_were(tmp_path):
    turns = [
        [{"role": "user", "content": f"question {n} of all"},
         {"role": "assistant", "content": f"answer {n}"}] for n in range(30)
    ]  # fmt: skip
    path = tmp_path / "chat.jsonl"
    path.write_text("\n".join(json.dumps({"messages": each}) for each in turns), encoding="utf-8")
    config = section(path, form="chat", leak_similarity=0.5, clean="none")
    first = loaded(config)
    assert first.leaks
    assert loaded(config) == first


def test_every_source_but_the_phrasebook_is_kept(tmp_path, place):
    pytest.importorskip("django")
    file = wrote(tmp_path / "pairs.jsonl")
    plain = DataConfig(name="p", source="phrasebook", source_lang="eng_Latn",
                       target_lang="spa_Latn", test_size=5, dev_size=5)  # fmt: skip
    loaded(plain)
    assert not place.exists()
    for config in (
        plain.model_copy(update={"synthetic_file": str(file)}),
        section(None, source="gettext", package="django", train_file=None),
        section(None, source="combined", train_file=None,
                mix=({"source": "files", "train_file": str(file)}, {"source": "phrasebook"})),
    ):  # fmt: skip
        before = set(place.glob("*")) if place.exists() else set()
        first = loaded(config)
        assert set(place.glob("*")) > before
        assert loaded(config) == first


def test_a_missing_file_is_told_as_ever(tmp_path):
    with pytest.raises(data.UserError, match=r"^data\.train_file: .* does not exist"):
        loaded(section(tmp_path / "none.jsonl"))
