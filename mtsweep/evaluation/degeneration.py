"""How outputs behave, apart from whether they are right: where they end, and what they repeat.

A sign is something that no good translation does. Each is looked for in the output alone, with the
source and the reference beside it: what the reference does as well is never held against an output.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from typing import Any, Literal

from mtsweep import languages
from mtsweep.config import PromptConfig
from mtsweep.data.pairs import fold
from mtsweep.data.prompts import render
from mtsweep.evaluation.generate import Hypothesis
from mtsweep.record import Degeneration

Sign = Literal["no end", "text after", "repeats", "copied", "wrong language"]

_ALIKE = 0.9
"""Similarity from which an output is a copy of its source."""
_LIKELIER = 5.0
"""How much likelier another language must be than the right one, by py3langid. On the phrasebook's
1,820 sentences in five languages this takes 0.1 % at most for a wrong language, and finds 99.7 % of
those that are in one."""
_FEWEST_LETTERS = 12
"""Letters of a text whose language can be told."""


@dataclass(frozen=True)
class Segment:
    """An output with what it was made from."""

    source: str
    reference: str
    said: Hypothesis
    target_lang: str
    """FLORES-200 code."""


def signs(segment: Segment, prompt_words: Sequence[str] = ()) -> list[Sign]:
    """What an output does that no good translation does.

    Args:
        segment: The output.
        prompt_words: What the prompt says around the text (:func:`words_of`).
    """
    said = segment.said.text
    found: list[Sign] = []
    if not segment.said.stopped:
        found.append("no end")
    if _goes_on(segment, prompt_words):
        found.append("text after")
    if _repeated(said)[0] > _repeated(segment.reference)[0]:
        found.append("repeats")
    if _is_copy(said, segment.source) and not _is_copy(segment.reference, segment.source):
        found.append("copied")
    if is_in_another_language(said, segment.target_lang):
        found.append("wrong language")
    return found


def signs_of_answer(segment: Segment) -> list[Sign]:
    """What an answer in a conversation does that no good one does: it may say anything else."""
    said = segment.said.text
    found: list[Sign] = []
    if not segment.said.stopped:
        found.append("no end")
    if _repeated(said)[0] > _repeated(segment.reference)[0]:
        found.append("repeats")
    if _is_copy(said, segment.source) and not _is_copy(segment.reference, segment.source):
        found.append("copied")
    return found


def answered(segments: Sequence[Segment]) -> Degeneration:
    """The behaviour of answers in conversations."""
    told = degeneration(segments, [signs_of_answer(segment) for segment in segments])
    return told.model_copy(update={"text_after": None, "wrong_language": None})


def degeneration(
    segments: Sequence[Segment], told: Sequence[Sequence[Sign]] | None = None
) -> Degeneration:
    """The behaviour of all outputs of a test set.

    Args:
        segments: The outputs.
        told: Their signs, where they are known.
    """
    told = told if told is not None else [signs(segment) for segment in segments]
    counts = [_repeated(segment.said.text) for segment in segments]
    grams = sum(total for _, total in counts)

    def share(sign: Sign) -> float:
        return sum(sign in each for each in told) / len(segments)

    judged = all(segment.target_lang and _knows(segment.target_lang) for segment in segments)
    return Degeneration(
        stopped=1 - share("no end"),
        repeated_4grams=sum(repeated for repeated, _ in counts) / grams if grams else 0.0,
        length_ratio=sum(len(segment.said.text) for segment in segments)
        / max(1, sum(len(segment.reference) for segment in segments)),
        text_after=share("text after"),
        copied=share("copied"),
        wrong_language=share("wrong language") if judged else None,
    )


def words_of(prompt: PromptConfig, source_lang: str, target_lang: str) -> tuple[str, ...]:
    """What a prompt says around the text, line by line (``English:`` and ``Spanish:``)."""
    around = render(prompt, source_lang, target_lang, "\0").replace("\0", "\n")
    return tuple(dict.fromkeys(line.strip() for line in around.split("\n") if line.strip()))


def _goes_on(segment: Segment, prompt_words: Sequence[str]) -> bool:
    """Whether more is said than the answer: more lines, the prompt's words, another language."""
    said, allowed = segment.said.text, (segment.reference, segment.source)
    lines = max(len(_lines(text)) for text in allowed)
    if len(_lines(said)) > lines:
        return True
    if any(word in said and not any(word in text for text in allowed) for word in prompt_words):
        return True
    first, *others = _sentences(said)
    return (
        bool(others)
        and not is_in_another_language(first, segment.target_lang)
        and is_in_another_language(others[-1], segment.target_lang)
    )


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?।。！？])\s+", text.strip())


def _repeated(text: str) -> tuple[int, int]:
    """Word 4-grams that repeat an earlier one, and all of them."""
    words = text.split()
    grams = [tuple(words[start : start + 4]) for start in range(len(words) - 3)]
    return len(grams) - len(set(grams)), len(grams)


def _is_copy(said: str, source: str) -> bool:
    ours, theirs = _bare(said), _bare(source)
    if not ours or not theirs:
        return False
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    # Cheap upper bounds first: hardly any output comes near its source.
    return (
        matcher.real_quick_ratio() >= _ALIKE
        and matcher.quick_ratio() >= _ALIKE
        and matcher.ratio() >= _ALIKE
    )


def _bare(text: str) -> str:
    return fold("".join(letter if letter.isalnum() else " " for letter in text))


def is_in_another_language(text: str, code: str) -> bool:
    """Whether a text is, by far, likelier in another language than in the right one.

    Args:
        text: Of any length; what is too short to tell is taken for right.
        code: FLORES-200 code of the right language.
    """
    if sum(letter.isalpha() for letter in text) < _FEWEST_LETTERS or not _knows(code):
        return False
    likely = dict(_identifier().rank(text))
    return max(likely.values()) > _LIKELIER * likely[languages.iso(code)]


def _knows(code: str) -> bool:
    return languages.iso(code) in set(_identifier().nb_classes)


@cache
def _identifier() -> Any:  # noqa: ANN401 - py3langid has no types
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
