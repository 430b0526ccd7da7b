"""A text in parts that a model can take: sentences, and where one is too long, pieces of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mtsweep import languages

_WITHOUT_SPACES = ("Hans", "Hant", "Jpan")
"""Scripts that put nothing between sentences."""


def split(text: str, language: str, fits: Callable[[str], bool]) -> list[str]:
    """Sentences of a text (by sentencex), without white space around them.

    Args:
        text: In one language.
        language: FLORES-200 code.
        fits: Whether a part can stay whole; one that cannot is halved, at white space where there
            is some.

    Returns:
        At least one part for a text that is more than white space; a single character is a part
        whether it fits or not.
    """
    from sentencex import segment  # pyright: ignore[reportAttributeAccessIssue] - compiled

    found = (sentence.strip() for sentence in segment(languages.iso(language), text))
    return [part for sentence in found if sentence for part in _fitting(sentence, fits)]


def _fitting(text: str, fits: Callable[[str], bool]) -> list[str]:
    if len(text) < 2 or fits(text):
        return [text]
    middle = len(text) // 2
    spaces = [place for place, character in enumerate(text) if character.isspace()]
    cut = min(spaces, key=lambda place: abs(place - middle), default=middle)
    halves = text[:cut].strip(), text[cut:].strip()
    return [part for half in halves for part in _fitting(half, fits)]


def join(parts: Sequence[str], language: str) -> str:
    """Translated parts as one text of a language (FLORES-200 code)."""
    between = "" if language.endswith(_WITHOUT_SPACES) else " "
    return between.join(part for part in parts if part)
