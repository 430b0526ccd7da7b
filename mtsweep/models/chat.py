"""Conversations to token ids through the model's own chat template, and answers back to text.

Where an answer begins and ends is found by rendering: what stands before an answer is what the
template gives for the turns before it with the opening of an answer behind them, which is what
generation starts from. No markers in the template are needed. Control tokens written out in a turn
(``<|im_end|>``) stay text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mtsweep.data.pairs import Message
from mtsweep.errors import RunFailedError, UserError
from mtsweep.models.families import Family

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DATE = "26 Jul 2024"
"""What templates that tell the date (Llama 3) are told: today's would give every day another
prompt. It is the date that they fall back on themselves."""


ANSWER_TOKENS = 512
"""Generated tokens of an answer at most, where ``decoding.max_new_tokens`` says nothing."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A conversation, or the part of one up to an answer, as a model reads it."""

    ids: tuple[int, ...]
    answers: tuple[tuple[int, int], ...]
    """Start and end of every answer in ``ids``, its end token included."""

    @property
    def tokens(self) -> int:
        """Tokens of the answers, their ends included."""
        return sum(end - start for start, end in self.answers)


class ChatCodec:
    """Encodes conversations for one model.

    Args:
        tokenizer: Of the model.

    Raises:
        UserError: if it has no chat template, or nothing that an answer could end with.
    """

    family: Family = "causal"
    forced_bos: int | None = None
    breaks: tuple[int, ...] = ()
    """Tokens that end an answer beside its end token: a line break ends none."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        if not tokenizer.chat_template:
            raise UserError(
                f"model.name: the tokenizer of {tokenizer.name_or_path} has no chat template, "
                "which conversations need; use a model made for chat, such as model=llama3b"
            )
        self.sets: dict[str, Any] = {}
        """Ids of whole sets of conversations (``models/tokens.py``)."""
        self._prompts: dict[tuple[Message, ...], list[int]] = {}
        self._takes_context = self._renders(Message("system", "a"), Message("user", "b"))
        self.end, self._closes = self._end_of_an_answer()

    @property
    def print(self) -> str:
        """What must be equal for two losses to be comparable: a hash of vocabulary and template."""
        vocabulary = sorted(self.tokenizer.get_vocab().items())
        content = f"{vocabulary}\0{self.tokenizer.chat_template}"
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    def ready_tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer, which nothing has to be set on."""
        return self.tokenizer

    def source_ids(self, messages: Sequence[Message]) -> list[int]:
        """What generation starts from: the turns so far, and the opening of an answer."""
        turns = tuple(messages)
        if turns not in self._prompts:
            self._prompts[turns] = self._rendered(turns, opened=True)
        return self._prompts[turns]

    def target_ids(self, text: str) -> list[int]:
        """An answer by itself, its end token included."""
        encoded = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)
        return [*encoded["input_ids"], self.end]

    def decode(self, ids: Sequence[int], *, strip: bool = True) -> str:
        """Generated ids (up to the end token) to text."""
        text = str(self.tokenizer.decode(list(ids), skip_special_tokens=True))
        return text.strip() if strip else text

    def spoken(self, messages: Sequence[Message]) -> list[Spoken]:
        """A conversation with its answers marked.

        Returns:
            One row; one an answer where the template writes earlier turns in another way once more
            turns follow, or closes an answer with no token, so that every answer stands behind
            exactly what generation would start from.

        Raises:
            RunFailedError: if the template refuses the conversation.
        """
        turns = tuple(messages)
        places = [place for place, turn in enumerate(turns) if turn.role == "assistant"]
        whole = self._rendered(turns) if self._closes else []
        found = []
        for place in places if self._closes else ():
            before = self._rendered(turns[:place], opened=True)
            if whole[: len(before)] != before or self.end not in whole[len(before) :]:
                break
            end = whole.index(self.end, len(before)) + 1
            if place < places[-1] and self._rendered(turns[: place + 1])[:end] != whole[:end]:
                break  # it says something else once more turns follow
            found.append((len(before), end))
        if len(found) == len(places):
            ids = whole[: found[-1][1]]  # what the template writes behind the last end is no answer
            return [Spoken(tuple(ids), tuple(found))]
        return [self._up_to(turns, place) for place in places]

    def _up_to(self, turns: Sequence[Message], place: int) -> Spoken:
        """The conversation up to one answer, with that answer alone marked."""
        before = self._rendered(turns[:place], opened=True)
        ids = [*before, *self.target_ids(turns[place].content.strip())]
        return Spoken(tuple(ids), ((len(before), len(ids)),))

    def _end_of_an_answer(self) -> tuple[int, bool]:
        """The token that ends an answer, and whether the template writes it."""
        asked, answered = Message("user", "a"), Message("assistant", "b")
        before = self._rendered((asked,), opened=True)
        whole = self._rendered((asked, answered))
        added = self.tokenizer.added_tokens_decoder
        behind = whole[len(before) :] if whole[: len(before)] == before else []
        written = [token for token in behind if token in added]
        if written:
            return written[0], True
        end = self.tokenizer.eos_token_id
        if not isinstance(end, int):
            raise UserError(
                f"model.name: neither the chat template nor the tokenizer of "
                f"{self.tokenizer.name_or_path} has a token that ends an answer"
            )
        return end, False

    def _renders(self, *turns: Message) -> bool:
        from jinja2 import TemplateError

        try:
            self._applied(turns, opened=True)
        except TemplateError:
            return False
        return True

    def _rendered(self, turns: Sequence[Message], *, opened: bool = False) -> list[int]:
        from jinja2 import TemplateError

        if not self._takes_context and turns and turns[0].role == "system":
            first = Message(turns[1].role, f"{turns[0].content}\n\n{turns[1].content}")
            turns = (first, *turns[2:])
        try:
            return self._applied(turns, opened=opened)
        except TemplateError as error:
            raise RunFailedError(
                f"the model's chat template refuses a conversation ({error}): "
                f"{', '.join(turn.role for turn in turns)}"
            ) from error

    def _applied(self, turns: Sequence[Message], *, opened: bool) -> list[int]:
        told = [{"role": turn.role, "content": turn.content} for turn in turns]
        return templated(self.tokenizer, told, opened=opened)


def templated(tokenizer: Any, turns: Sequence[dict[str, str]], *, opened: bool) -> list[int]:  # noqa: ANN401 - of transformers
    """Token ids of turns in a model's chat template; control tokens in a text stay text.

    Args:
        tokenizer: Of the model.
        turns: With ``role`` and ``content``.
        opened: Whether the model's own turn is opened at the end.
    """
    encoded: Any = tokenizer.apply_chat_template(
        turns,
        add_generation_prompt=opened,
        tokenize=True,
        return_dict=True,
        sanitize_control_tokens=True,
        date_string=DATE,
    )
    return list(encoded["input_ids"])
