"""Rows to pairs and conversations: which column is which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from mtsweep import languages
from mtsweep.config import DataConfig
from mtsweep.data.pairs import Conversation, Message, Pair, Role, conversation, fold

Values = Mapping[str, Any]


class UnreadableRowError(Exception):
    """A row is not as expected; the text says what was expected and found."""


class LeftOutError(Exception):
    """A row is well-formed, but nothing to train on.

    Args:
        reason: What is counted.
        source: Text of the row, to be shown as an example.
        target: Its translation, or the last turn.
    """

    def __init__(self, reason: str, source: str, target: str) -> None:
        super().__init__(reason)
        self.source = source
        self.target = target


Make = Callable[[Values, str, str], Pair]
"""Row, id and origin to a pair."""


def maker(config: DataConfig) -> Make:
    """What makes a pair, or a conversation, of a row."""

    def pair(values: Values, id: str, origin: str) -> Pair:  # noqa: A002
        source, target = _texts(values, config)
        if not source.strip() or not target.strip():
            raise LeftOutError("empty", source, target)
        return Pair(id, source, target, origin, fold(source))

    def chat(values: Values, id: str, origin: str) -> Conversation:  # noqa: A002
        return conversation(id, _turns(values), origin)

    return chat if config.is_chat else pair


def _texts(values: Values, config: DataConfig) -> tuple[str, str]:
    nested = values.get("translation")
    row = nested if isinstance(nested, dict) else values
    source = _side(row, config.source_lang, config.source_column, "source")
    target = _side(row, config.target_lang, config.target_column, "target")
    if not isinstance(source, str) or not isinstance(target, str):
        raise UnreadableRowError(
            f"expected text under {config.source_column or 'source'!r} and "
            f"{config.target_column or 'target'!r}, or "
            f'{{"translation": {{"{languages.iso(config.source_lang)}": …, '
            f'"{languages.iso(config.target_lang)}": …}}}}; '
            f"found {', '.join(sorted(map(str, row))) or 'nothing'}"
            " (name others with data.source_column and data.target_column)"
        )
    whole(source + target)
    return source, target


def _side(row: Values, language: str, column: str | None, side: str) -> object:
    names = (column,) if column else (side, *_names(language))
    return next((row[name] for name in names if name in row), None)


@cache
def _names(language: str) -> tuple[str, ...]:
    """What a column of a language may be called."""
    name = languages.name(language)
    return (language, languages.iso(language), language.partition("_")[0], name, name.lower())


def whole(text: str) -> None:
    """Refuse half of a surrogate pair, which JSON admits and no tokenizer, hash or file does.

    Raises:
        UnreadableRowError: naming it.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UnreadableRowError(
            f"half of a surrogate pair (\\u{ord(error.object[error.start]):04x}), which "
            "is no character; the program that wrote the file cut an emoji in two"
        ) from error


_ROLES: dict[str, Role] = {
    "system": "system", "context": "system",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant",
    "chatgpt": "assistant",
}  # fmt: skip


def _turns(values: Values) -> tuple[Message, ...]:
    """The turns of a row in any of the three forms, as role and content.

    Raises:
        UnreadableRowError: if it has none of them, or an unknown role.
        LeftOutError: if there is no answer, or user and assistant do not take turns.
    """
    listed = values.get("messages") or values.get("conversations") or values.get("conversation")
    if isinstance(listed, list | tuple):
        turns = [_turn(each) for each in listed]
    elif "instruction" in values:
        turns = _alpaca(values)
    else:
        raise UnreadableRowError(
            "expected messages (role, content), conversations (from, value), or instruction and "
            f"output; found {', '.join(sorted(map(str, values))) or 'nothing'}"
        )
    context = values.get("system") or values.get("context")
    if isinstance(context, str) and context.strip() and turns and turns[0].role != "system":
        turns.insert(0, Message("system", context))
    for turn in turns:
        whole(turn.content)
    return _standard(turns)


def _turn(told: object) -> Message:
    if not isinstance(told, dict):
        raise UnreadableRowError(f"expected a message, found {type(told).__name__}")
    role, content = told.get("role", told.get("from")), told.get("content", told.get("value"))
    if not isinstance(content, str):
        raise UnreadableRowError(
            f"a message without text; it has {', '.join(map(str, told)) or 'nothing'}"
        )
    if str(role).lower() not in _ROLES:
        raise UnreadableRowError(f"unknown role {role!r}; known are {', '.join(_ROLES)}")
    return Message(_ROLES[str(role).lower()], content)


def _alpaca(values: Values) -> list[Message]:
    asked, answer = values["instruction"], values.get("output", values.get("response"))
    if not isinstance(asked, str) or not isinstance(answer, str):
        raise UnreadableRowError("expected text under instruction and output")
    more = values.get("input")
    if isinstance(more, str) and more.strip():
        asked = f"{asked}\n\n{more}"
    return [Message("user", asked), Message("assistant", answer)]


def _left_out(reason: str, turns: list[Message]) -> LeftOutError:
    said = [f"{turn.role}: {turn.content}" for turn in turns]
    return LeftOutError(reason, "\n".join(said[:-1]), "".join(said[-1:]))


def _standard(turns: list[Message]) -> tuple[Message, ...]:
    """What a chat template takes: a system message at most, then user and assistant by turns."""
    every = turns
    while turns and turns[-1].role != "assistant":
        turns = turns[:-1]  # a question that nobody answered
    spoken = turns[1:] if turns and turns[0].role == "system" else turns
    if not spoken:
        raise _left_out("no answer", every)
    if any(turn.role != ("user", "assistant")[place % 2] for place, turn in enumerate(spoken)):
        raise _left_out("turns do not alternate", every)
    if any(not turn.content.strip() for turn in spoken):
        raise _left_out("empty", every)
    return tuple(turns)
