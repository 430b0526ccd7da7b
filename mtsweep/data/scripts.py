"""Is a text in the script, and in the language, that it should be in?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from mtsweep import languages
from mtsweep.config import DataConfig
from mtsweep.data.identify import identifier
from mtsweep.data.pairs import Pair

_SCRIPTS = {
    "Hans": r"\p{Script=Han}",
    "Hant": r"\p{Script=Han}",
    "Jpan": r"\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー",
    "Hang": r"\p{Script=Hangul}\p{Script=Han}",
}
_FEWEST_LETTERS = 10
"""Shorter texts may be a name or an abbreviation, which every script borrows."""
_SHARE = 0.5
_FEWEST_WORDS = 4
"""Shorter texts say too little about their language."""
_SURE = 0.5
"""Calibrated probability from which another language is believed: on the phrasebook it takes a
sentence in 900 for another language at most, and knows nine in ten for their own at least."""


@cache
def _foreign(script: str) -> Callable[[str], bool]:
    """Whether more than half of the letters of a text are of another script."""
    import regex

    own = _SCRIPTS.get(script, rf"\p{{Script={script}}}")
    others = regex.compile(rf"[\p{{L}}--[{own}\p{{Script=Common}}]]", regex.V1)
    letters = regex.compile(r"\p{L}")
    latin = script == "Latn"

    def foreign(text: str) -> bool:
        if latin and text.isascii():
            return False
        found = len(others.findall(text))
        if not found:
            return False
        every = len(letters.findall(text))
        return every >= _FEWEST_LETTERS and found > _SHARE * every

    return foreign


def _languages(pair: Pair, config: DataConfig) -> tuple[str, str]:
    return pair.languages or (config.source_lang, config.target_lang)


def told_languages(texts: Iterable[str]) -> Counter[str]:
    """What py3langid takes texts for (ISO 639-1); those of fewer than four words are passed over.

    A text that it is not sure about counts under the empty code.
    """
    told = identifier().classify([text for text in texts if _tells(text)])
    return Counter(code if certainty >= _SURE else "" for code, certainty in told)


def _tells(text: str) -> bool:
    return text.count(" ") >= _FEWEST_WORDS - 1


def script_check(config: DataConfig) -> Callable[[Pair], Pair | None]:
    """Drops pairs a side of which is mostly in another script than its language's."""

    def check(pair: Pair) -> Pair | None:
        source, target = _languages(pair, config)
        wrong = _foreign(source[4:])(pair.source) or _foreign(target[4:])(pair.target)
        return None if wrong else pair

    return check


def language_check(config: DataConfig) -> Callable[[Sequence[Pair]], list[Pair | None]]:
    """Drops pairs a side of which py3langid is sure to be in another language; many at a time.

    Texts of fewer than four words, and languages that it does not know, are let through.
    """
    known = identifier()

    def check(pairs: Sequence[Pair]) -> list[Pair | None]:
        asked: list[tuple[int, str, str]] = []
        for place, pair in enumerate(pairs):
            texts = pair.source, pair.target
            for text, language in zip(texts, _languages(pair, config), strict=True):
                code = languages.iso(language)
                if code in known.labels and _tells(text):
                    asked.append((place, text, code))
        told = known.classify([text for _, text, _ in asked])
        wrong = {
            place
            for (place, _, code), (found, certainty) in zip(asked, told, strict=True)
            if found != code and certainty >= _SURE
        }
        return [None if place in wrong else pair for place, pair in enumerate(pairs)]

    return check
