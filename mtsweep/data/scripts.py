"""Is a text in the script, and in the language, that it should be in?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from mtsweep import languages
from mtsweep.config import DataConfig
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
    identifier = _identifier()
    found: Counter[str] = Counter()
    for text in texts:
        if text.count(" ") >= _FEWEST_WORDS - 1:
            code, certainty = identifier.classify(text)
            found[code if certainty >= _SURE else ""] += 1
    return found


@cache
def _identifier() -> Any:  # noqa: ANN401 - py3langid has no types
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def script_check(config: DataConfig) -> Callable[[Pair], Pair | None]:
    """Drops pairs a side of which is mostly in another script than its language's."""

    def check(pair: Pair) -> Pair | None:
        source, target = _languages(pair, config)
        wrong = _foreign(source[4:])(pair.source) or _foreign(target[4:])(pair.target)
        return None if wrong else pair

    return check


def language_check(config: DataConfig) -> Callable[[Pair], Pair | None]:
    """Drops pairs a side of which py3langid is sure to be in another language.

    Texts of fewer than four words, and languages that it does not know, are let through.
    """
    identifier = _identifier()
    known = set(identifier.labels)

    def other(text: str, language: str) -> bool:
        code = languages.iso(language)
        if code not in known or text.count(" ") < _FEWEST_WORDS - 1:
            return False
        told, certainty = identifier.classify(text)
        return told != code and certainty >= _SURE

    def check(pair: Pair) -> Pair | None:
        source, target = _languages(pair, config)
        return None if other(pair.source, source) or other(pair.target, target) else pair

    return check
