import polib
import pytest

from mtsweep.config import DataConfig
from mtsweep.data import load
from mtsweep.data.catalogs import read_gettext
from mtsweep.errors import UserError


def asked(package="django", source="eng_Latn", target="spa_Latn", **changes) -> DataConfig:
    return DataConfig(
        name="gettext", source="gettext", package=package, source_lang=source, target_lang=target,
        **{"test_size": 0.2, "dev_size": 0.1, **changes},
    )  # fmt: skip


def refused(*args) -> str:
    with pytest.raises(UserError) as caught:
        read_gettext(asked(*args))
    return str(caught.value)


@pytest.mark.parametrize("target", ["spa_Latn", "deu_Latn", "fra_Latn", "tam_Taml"])
def test_django_has_pairs_in_these_languages(target):
    pool = read_gettext(asked(target=target))
    assert len(pool.train) > 50
    assert sum(pool.dropped.values()) > 50
    assert all(len(pair.source.split()) >= 2 for pair in pool.train)
    assert not any("%(" in pair.target or "%s" in pair.target for pair in pool.train)


def test_two_translations_are_joined_by_their_message():
    english_german, english_french = (
        {pair.id: pair for pair in read_gettext(asked(target=code)).train}
        for code in ("deu_Latn", "fra_Latn")
    )
    pool = read_gettext(asked(source="deu_Latn", target="fra_Latn"))
    assert len(pool.train) > 50
    known = [p for p in pool.train if p.id in english_german and p.id in english_french]
    assert len(known) > 50
    for pair in known:
        assert pair.source == english_german[pair.id].target
        assert pair.target == english_french[pair.id].target


def test_the_catalogs_can_be_read_backwards():
    pool = read_gettext(asked(source="deu_Latn", target="eng_Latn"))
    assert len(pool.train) > 50
    assert all(pair.id == f"django:{pair.target}" for pair in pool.train if "\n" not in pair.id)


def test_django_gives_a_corpus():
    corpus = load(asked(size=100))
    assert len(corpus.train) == 100
    assert len(corpus.test) > 50
    assert "placeholder" in corpus.dropped


def test_an_unknown_package_is_told_with_how_to_get_it():
    assert refused("no_such_package") == (
        "data.package: no package 'no_such_package' is installed (pip install no_such_package)"
    )


@pytest.mark.parametrize("package", ["", ".", "a b", "json.decoder"])
def test_what_is_no_package_is_told(package):
    assert refused(package).startswith("data.package: no package ")


def test_a_path_that_is_no_folder_is_told():
    assert refused("../x") == "data.package: there is no folder ../x"


def test_a_package_without_catalogs_is_told():
    assert refused("mtsweep", "eng_Latn", "spa_Latn").endswith("it has: none at all")


@pytest.mark.parametrize(
    ("key", "source", "target"),
    [("source_lang", "war_Latn", "eng_Latn"), ("target_lang", "deu_Latn", "war_Latn")],
)
def test_a_language_without_a_catalog_is_told_with_those_that_have_one(key, source, target):
    told = refused("django", source, target)
    assert told.startswith(f"data.{key}: django has no catalog for war_Latn (war); it has: ")
    assert ", de, " in told
    assert ", zh_Hant" in told


MESSAGES = [
    ("Good morning", "Buenos días"),
    ("See you later", "Hasta luego"),
    ("see  you LATER", "Nos vemos"),
    ("Bye", "Adiós"),
    ("Hello %(name)s there", "Hola %(name)s"),
    ("Hello {name} there", "Hola {name}"),
    ("A <b>bold</b> word", "Una palabra <b>gruesa</b>"),
    ("Not yet translated", ""),
    ("No problem", "No problem"),
]


def catalog() -> polib.POFile:
    made = polib.POFile()
    made.metadata = {"Content-Type": "text/plain; charset=utf-8"}
    for message, translation in MESSAGES:
        made.append(polib.POEntry(msgid=message, msgstr=translation))
    made.append(polib.POEntry(msgid="Perhaps this one", msgstr="Quizá", flags=["fuzzy"]))
    made.append(polib.POEntry(msgid="No longer used", msgstr="Ya no", obsolete=True))
    return made


@pytest.fixture
def package(here, monkeypatch):
    """Makes an importable package with catalogs for Spanish, of the kinds asked for."""

    def make(*suffixes: str, locale: str = "es"):
        name = f"package_{here.name}"
        folder = here / name / "locale" / locale / "LC_MESSAGES"
        folder.mkdir(parents=True)
        (here / name / "__init__.py").touch()
        for suffix in suffixes:
            save = "save" if suffix == "po" else "save_as_mofile"
            getattr(catalog(), save)(str(folder / f"django.{suffix}"))
        monkeypatch.syspath_prepend(here)
        return name

    return make


@pytest.mark.parametrize("suffix", ["po", "mo"])
def test_both_kinds_of_catalog_are_read(package, suffix):
    name = package(suffix)
    pool = read_gettext(asked(name))
    assert [(pair.source, pair.target) for pair in pool.train] == MESSAGES[:2]
    assert pool.train[0].id == f"{name}:Good morning"
    assert pool.train[0].split_key == "good morning"


def test_what_is_left_out_is_counted_with_its_reason(package):
    assert read_gettext(asked(package("po"))).dropped == {
        "duplicate source": 1,
        "one word": 1,
        "placeholder": 2,
        "markup": 1,
        "same as source": 1,
    }


def test_a_po_and_its_mo_are_one_catalog(package):
    assert len(read_gettext(asked(package("po", "mo"))).train) == 2


def test_a_catalog_under_language_and_script_is_found(package):
    assert len(read_gettext(asked(package("po", locale="es_Latn"))).train) == 2


def test_a_broken_catalog_is_told_with_its_path(package, here):
    name = package("po")
    path = next((here / name).rglob("*.po"))
    path.write_bytes(b'msgid "a\nmsgstr "\xff"\n')
    told = refused(name)
    assert told.startswith(f"data.package: {path} is no readable catalog (")


def test_english_to_english_is_no_pair_of_catalogs():
    told = DataConfig.model_construct(
        package="django", source_lang="eng_Latn", target_lang="eng_Latn"
    )
    with pytest.raises(UserError, match="both the catalogs' own English"):
        read_gettext(told)
