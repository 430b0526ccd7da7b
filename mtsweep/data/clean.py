"""Cleaning of training pairs: named steps, in a configured order, each with an account.

A step looks at one pair and keeps it, changes it, or drops it. Dev and test pairs are only looked
at: what would have happened to them is counted, and they stay as they are.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from mtsweep.config import DataConfig
from mtsweep.data import spill
from mtsweep.data.pairs import Conversation, Pair, Step, conversation, fold
from mtsweep.data.scripts import language_check, script_check
from mtsweep.data.seen import Seen
from mtsweep.data.shelf import portions

Check = Callable[[Pair], Pair | None]
"""A pair as it was, changed, or ``None`` where it is dropped."""
Together = Callable[[Sequence[Pair]], list[Pair | None]]
"""The same for some pairs at a time."""
_TOGETHER = 8192
"""Pairs that go through all steps together."""

_EXAMPLES = 3
_SHOWN = 400
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~¡¿«»‘’“”„…–—、。！？，।]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2060\ufeff]")
_MAYBE_MOJIBAKE = re.compile("[\x80-\x9fŒœÃÂ]|[\x80-\u058f\u2000-\u2bff\ue000-\uffff]{2}")
"""What ftfy takes for mojibake has one of these letters, or two such signs side by side; to see
that there are none costs a tenth of asking it."""
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--.*?-->", re.DOTALL)
_ENTITY = re.compile(r"&(?:[A-Za-z]\w{1,31}|#\d{1,7}|#x[0-9A-Fa-f]{1,6});")
_CONTROL_TOKEN = re.compile(
    r"<\|[A-Za-z_0-9]{1,40}\|>|</?s>|<(?:pad|unk|bos|eos|mask)>|\[/?INST\]|<</?SYS>>"
    r"|<(?:start|end)_of_turn>"
)
_NUMBER = re.compile(r"\d+(?:[.,:\u00a0 ]\d+)*")


def cleaned(
    train: Sequence[Pair], held_out: Sequence[Pair], config: DataConfig
) -> tuple[Sequence[Pair], list[Step]]:
    """Training pairs after every step of ``data.clean``, and what each step came to.

    Args:
        train: Training pairs; what is on disk is read once, and the result is there too.
        held_out: Dev and test pairs, which are counted and left as they are.
        config: Steps and bounds.
    """
    ways = [_Way(name, config) for name in config.clean]
    kept = spill.like(train, _through(train, ways))
    looked_at = [_Way(name, config) for name in config.clean]
    for _ in _through(held_out, looked_at):
        pass
    both = zip(ways, looked_at, strict=True)
    return kept, [way.told(other.lost + other.changed) for way, other in both]


def _through(pairs: Iterable[Pair], ways: Sequence[_Way]) -> Iterator[Pair]:
    """What all steps leave of pairs, some pairs at a time."""
    for portion in portions(pairs, _TOGETHER):
        left = portion
        for way in ways:
            left = way.through(left)
        yield from left


class _Way:
    """Pairs through one step, with an account."""

    def __init__(self, name: str, config: DataConfig) -> None:
        self._name = name
        self._alone = _CHECKS[name](config) if name in _CHECKS else None
        self._together = None if self._alone else _TOGETHER_CHECKS[name](config)
        self._seen = self.lost = self.changed = 0
        self._dropped: list[Pair] = []
        self._altered: list[Pair] = []

    def through(self, pairs: Sequence[Pair]) -> list[Pair]:
        """What the step leaves of some pairs."""
        self._seen += len(pairs)
        if self._alone:
            results: Iterable[Pair | None] = map(self._alone, pairs)
        else:
            assert self._together is not None
            results = self._together(pairs)
        kept: list[Pair] = []
        for pair, result in zip(pairs, results, strict=True):
            if result is pair:
                kept.append(pair)
            elif result is None:
                self.lost += 1
                if self.lost <= _EXAMPLES:
                    self._dropped.append(pair)
            else:
                self.changed += 1
                kept.append(result)
                if self.changed <= _EXAMPLES:
                    self._altered.append(pair)
        return kept

    def told(self, held_out: int) -> Step:
        """What the step came to, and to how many held-out pairs."""
        shown = (self._dropped + self._altered)[:_EXAMPLES]
        examples = tuple((pair.source[:_SHOWN], pair.target[:_SHOWN]) for pair in shown)
        return Step(self._name, self._seen, self.lost, self.changed, examples, held_out)


def edited(pair: Pair, edit: Callable[[str], str]) -> Pair:
    """A pair with every text of it edited; the same object where nothing changes."""
    if isinstance(pair, Conversation):
        turns = tuple(replace(turn, content=edit(turn.content)) for turn in pair.messages)
        return pair if turns == pair.messages else conversation(pair.id, turns, pair.origin)
    source, target = edit(pair.source), edit(pair.target)
    if source == pair.source and target == pair.target:
        return pair
    return replace(pair, source=source, target=target)


def normal(text: str) -> str:
    """Text as duplicates and leaks are compared: no punctuation, no case, single spaces."""
    return fold(_PUNCTUATION.sub(" ", text))


def _mojibake(config: DataConfig) -> Check:  # noqa: ARG001 - what every step is made of
    from ftfy import fix_encoding
    from ftfy.badness import is_bad

    def edit(text: str) -> str:
        if text.isascii() or not _MAYBE_MOJIBAKE.search(text):
            return text
        return fix_encoding(text) if is_bad(text) else text

    return lambda pair: edited(pair, edit)


def _control(config: DataConfig) -> Check:  # noqa: ARG001
    def edit(text: str) -> str:
        return text if text.isprintable() else _CONTROL.sub("", text)

    return lambda pair: edited(pair, edit)


def _strip_markup(config: DataConfig) -> Check:  # noqa: ARG001
    def edit(text: str) -> str:
        if "<" in text:
            text = _TAG.sub("", text)
        return html.unescape(text) if "&" in text and _ENTITY.search(text) else text

    return lambda pair: edited(pair, edit)


def _drop_markup(config: DataConfig) -> Check:  # noqa: ARG001
    def marked(text: str) -> bool:
        return bool(("<" in text and _TAG.search(text)) or ("&" in text and _ENTITY.search(text)))

    return lambda pair: None if marked(pair.source) or marked(pair.target) else pair


def _empty(config: DataConfig) -> Check:  # noqa: ARG001
    def check(pair: Pair) -> Pair | None:
        texts = (
            [turn.content for turn in pair.messages]
            if isinstance(pair, Conversation)
            else (pair.source, pair.target)
        )
        return pair if all(text and not text.isspace() for text in texts) else None

    return check


def _control_tokens(config: DataConfig) -> Check:  # noqa: ARG001
    def check(pair: Pair) -> Pair | None:
        said = pair.target
        if isinstance(pair, Conversation):
            said = "\n".join(t.content for t in pair.messages if t.role == "assistant")
        marked = ("<" in said or "[" in said) and _CONTROL_TOKEN.search(said)
        return None if marked else pair

    return check


def _same(config: DataConfig) -> Check:  # noqa: ARG001
    def check(pair: Pair) -> Pair | None:
        near = len(pair.source) - len(pair.target)
        return None if -9 < near < 9 and fold(pair.source) == fold(pair.target) else pair

    return check


def _first(told: Callable[[Pair], str]) -> Together:
    """Drops pairs that say what another one said before."""
    seen = Seen()

    def check(pairs: Sequence[Pair]) -> list[Pair | None]:
        new = seen.new([f"{pair.languages}\0{told(pair)}" for pair in pairs])
        return [pair if first else None for pair, first in zip(pairs, new, strict=True)]

    return check


def _duplicates(config: DataConfig) -> Together:  # noqa: ARG001
    return _first(lambda pair: f"{normal(pair.source)}\0{normal(pair.target)}")


def _one_target(config: DataConfig) -> Together:  # noqa: ARG001
    return _first(lambda pair: normal(pair.source))


def _length(config: DataConfig) -> Check:
    fewest, most, longest = config.min_words, config.max_words, config.max_characters

    def good(text: str) -> bool:
        if len(text) > longest:
            return False
        return (fewest == 1 and len(text) < 2 * most) or fewest <= len(text.split()) <= most

    return lambda pair: pair if good(pair.source) and good(pair.target) else None


def _ratio(config: DataConfig) -> Check:
    most = config.max_ratio

    def check(pair: Pair) -> Pair | None:
        one, other = len(pair.source) + 10, len(pair.target) + 10
        return pair if one <= most * other and other <= most * one else None

    return check


def _numbers(config: DataConfig) -> Check:  # noqa: ARG001
    def numbers(text: str) -> list[str]:
        # int() reads the digits of every script; separators differ between languages.
        return sorted(
            str(int("".join(filter(str.isdecimal, found))))
            for found in _NUMBER.findall(text)
            if len(found) < _SHOWN
        )

    return lambda pair: pair if numbers(pair.source) == numbers(pair.target) else None


_CHECKS: dict[str, Callable[[DataConfig], Check]] = {
    "mojibake": _mojibake,
    "control": _control,
    "strip_markup": _strip_markup,
    "drop_markup": _drop_markup,
    "empty": _empty,
    "control_tokens": _control_tokens,
    "same": _same,
    "length": _length,
    "ratio": _ratio,
    "script": script_check,
    "numbers": _numbers,
}

_TOGETHER_CHECKS: dict[str, Callable[[DataConfig], Together]] = {
    "duplicates": _duplicates,
    "one_target": _one_target,
    "language": language_check,
}
