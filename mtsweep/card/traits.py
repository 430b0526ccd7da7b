"""What is known of languages that decides where a translation between them tends to go wrong.

The lists name only what grammars agree on; a language that is in none of them may still belong
there, and then the card says less.
"""

from __future__ import annotations

from collections.abc import Iterator

from mtsweep import languages

_GENDERED = frozenset(
    """
    spa fra ita por cat glg ron ast oci lij lmo scn srd vec deu nld ltz isl rus ukr bel pol ces slk
    hrv srp bos slv bul mkd lit lvs ell als arb arz ary ars apc ajp acm acq aeb heb mlt hin urd pan
    mar guj
    """.split()  # noqa: SIM905
)
"""Words for people, or what is said of them, differ by gender."""
_ONE_PRONOUN = frozenset(
    """
    fin est hun tur azj azb kaz kir uzn tuk tat bak uig crh pes prs tgk ben asm ory ind zsm jav sun
    min ban tgl ceb ilo swh xho zul ssw sna nya kin run lug lin yor ibo kat hye eus quy ayr khk
    """.split()  # noqa: SIM905
)
"""One word for he and she."""
_POLITE = frozenset(
    """
    spa fra deu ita por cat glg ron nld rus ukr bel pol ces slk hrv srp bos slv bul mkd lit lvs ell
    tur azj kaz kir uzn pes hin urd pan mar guj ben npi sin tam tel kan mal jpn kor vie tha jav hun
    fin est
    """.split()  # noqa: SIM905
)
"""How a person is addressed shows respect or nearness, where English has one "you"."""
_WINNERS = frozenset({"eng", "spa", "deu", "jpn", "fra", "arb", "zho"})
"""The seven languages with most data (Joshi et al. 2020, "The State and Fate of Linguistic
Diversity", class 5)."""
_MANY_HOMES = {
    "spa": "the Spanish of Spain, of Mexico, of the Andes or of the Río de la Plata",
    "por": "the Portuguese of Portugal or of Brazil",
    "fra": "the French of France, of Canada, or of West and Central Africa",
    "deu": "the German of Germany, of Austria or of Switzerland",
    "eng": "the English of Britain, of America, of India or of Nigeria",
    "nld": "the Dutch of the Netherlands or of Belgium",
    "tam": "the Tamil of India, of Sri Lanka or of Singapore, written or as it is spoken, which "
    "differ much",
    "ben": "the Bengali of Bangladesh or of India",
    "swh": "the Swahili of Tanzania, of Kenya or of the Congo",
    "arb": "the written standard alone, far from what is spoken between Morocco and Iraq",
    "zho": "the Chinese of the mainland, of Taiwan or of Singapore",
}


def _own(code: str) -> str:
    return code.partition("_")[0]


def gender(source: str, target: str) -> str | None:
    """What a translator has to guess of people's gender."""
    one, other = languages.name(source), languages.name(target)
    gendered = _own(target) in _GENDERED
    if _own(source) in _ONE_PRONOUN and (gendered or _own(target) == "eng"):
        return (
            f"{one} has one word for he and she, {other} does not: the model guesses which, and "
            "such guesses follow stereotypes (the doctor a he, the nurse a she)."
        )
    if gendered and (_own(source) == "eng" or _own(source) in _ONE_PRONOUN):
        return (
            f"{other} marks gender in words for people and in what is said of them, where {one} "
            "mostly does not: for “the doctor” or “I am tired” the model picks one, by habit and "
            "not by knowledge (Stanovsky et al. 2019)."
        )
    return None


def politeness(source: str, target: str) -> str | None:
    """What it has to guess of how people address one another."""
    if _own(source) != "eng" or _own(target) not in _POLITE:
        return None
    other = languages.name(target)
    return (
        f"English “you” leaves open how near or how respectful a speaker is, {other} does not: "
        "the model picks a form of address from habit, which may be rude, or stiff."
    )


def variety(code: str) -> str | None:
    """Which varieties a language has, where its code alone does not say."""
    return _MANY_HOMES.get(_own(code))


def less_resourced(codes: Iterator[str] | tuple[str, ...]) -> list[str]:
    """Names of the languages that are not among the seven with most data."""
    return [languages.name(code) for code in dict.fromkeys(codes) if _own(code) not in _WINNERS]
