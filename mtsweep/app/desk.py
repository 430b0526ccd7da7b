"""Requests of many people to one model: limits, turns, and answers as they grow."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mtsweep import languages
from mtsweep.data.pairs import Message
from mtsweep.errors import MtsweepError, UserError
from mtsweep.evaluation.generate import Hypothesis
from mtsweep.models import families
from mtsweep.models.chat import ChatCodec
from mtsweep.serve.chatter import Chatter
from mtsweep.serve.resolve import Chosen
from mtsweep.serve.streaming import Listener, Sampling, stream
from mtsweep.serve.translator import Translator
from mtsweep.serve.variants import Variants

WAITING = 30
"""Requests that may wait; a further one is refused."""
TOKENS = 1024
"""Generated tokens that anybody may ask for."""
_TURNS_KEPT = 40


class BusyError(MtsweepError):
    """Too many requests wait already."""


class Desk:
    """Answers requests one after the other, in the order in which they came.

    Args:
        chosen: Runs that share their base model.
        max_characters: Of a request at most.
    """

    def __init__(self, chosen: Sequence[Chosen], max_characters: int) -> None:
        self.runs: Mapping[str, Chosen] = {each.name: each for each in chosen}
        self.max_characters = max_characters
        self._variants = Variants(chosen)
        self._vocabulary = frozenset(self._variants.base.tokenizer.get_vocab())
        self._changed, self._line = threading.Condition(), deque[object]()

    @property
    def chats(self) -> bool:
        """Whether the model can hold a conversation."""
        base = self._variants.base
        return base.family == "causal" and bool(base.tokenizer.chat_template)

    @property
    def busy(self) -> bool:
        """Whether somebody is being answered, or waits."""
        return bool(self._line)

    def languages(self, run: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Source and target languages that a run can be asked for, its own first (FLORES-200)."""
        data, base = self.runs[run].config.data, self._variants.base
        return families.known(base.family, self._vocabulary, (data.source_lang, data.target_lang))

    def warm(self) -> None:
        """Have the first run say one token, so that nobody waits for what happens only once."""
        name, chosen = next(iter(self.runs.items()))
        data, few = chosen.config.data, Sampling(max_new_tokens=1)
        if data.is_chat:
            list(self.stream_answer(name, [Message("user", "1")], few, tuned=True))
        else:
            self.translate(name, ["1"], (data.source_lang, data.target_lang), few)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        mine = object()
        with self._changed:
            if len(self._line) > WAITING:
                raise BusyError("too many requests wait already; try again in a moment")
            self._line.append(mine)
            self._changed.wait_for(lambda: self._line[0] is mine)
        try:
            yield
        finally:
            with self._changed:
                self._line.popleft()
                self._changed.notify_all()

    def check(self, run: str, text: str) -> Chosen:
        """The run asked for.

        Raises:
            UserError: if it is not served, or the text is none or too long.
        """
        if run not in self.runs:
            raise UserError(f"run: {run!r} is not served; there are: {', '.join(self.runs)}")
        if not text.strip():
            raise UserError("text: there is nothing in it")
        if len(text) > self.max_characters:
            raise UserError(
                f"text: {len(text)} characters; this app takes {self.max_characters} at most"
            )
        return self.runs[run]

    def _translator(self, chosen: Chosen, model: Any, pair: tuple[str, str]) -> Translator:  # noqa: ANN401
        data = chosen.config.data
        own = (data.source_lang, data.target_lang) == pair
        known = self.languages(chosen.name)
        for key, code, there in zip(("source_lang", "target_lang"), pair, known, strict=True):
            if complaint := languages.complaint(code):
                raise UserError(f"{key}: {complaint}")
            if code not in there:
                raise UserError(f"{key}: {chosen.config.model.name} does not know {code}")
        data = data.model_copy(update={"source_lang": pair[0], "target_lang": pair[1]})
        config = chosen.config.model_copy(update={"data": data})
        shots = chosen.shots if own else None
        return Translator(self._variants.base, model, config, chosen.known if own else (), shots)

    def translate(
        self, run: str, texts: Sequence[str], pair: tuple[str, str], sampling: Sampling
    ) -> list[Hypothesis]:
        """Translations of texts, whole; line in, line out.

        Raises:
            UserError: if the request is not as it must be.
            BusyError: if too many wait.
        """
        chosen = self.check(run, "\n".join(texts))
        with self._turn(), self._placed(chosen, tuned=True) as model:
            translator = self._translator(chosen, model, pair)
            return [_lines(translator, text, sampling, Listener()) for text in texts]

    def stream_translation(
        self, run: str, text: str, pair: tuple[str, str], sampling: Sampling, *, tuned: bool
    ) -> Iterator[str]:
        """A translation as it grows, by a run or by the untouched model.

        Raises:
            UserError: if the request is not as it must be.
            BusyError: if too many wait.
        """
        chosen = self.check(run, text)

        def work(listener: Listener) -> None:
            with self._turn(), self._placed(chosen, tuned=tuned) as model:
                _lines(self._translator(chosen, model, pair), text, sampling, listener)

        return _growing(work)

    def stream_answer(
        self, run: str, history: Sequence[Message], sampling: Sampling, *, tuned: bool
    ) -> Iterator[str]:
        """The next answer of a conversation as it grows; the oldest turns are left out first.

        Raises:
            UserError: if the request is not as it must be.
            BusyError: if too many wait.
        """
        turns = _whole(history)[-_TURNS_KEPT - 1 :]
        chosen = self.check(run, turns[-1].content if turns else "")
        context = getattr(self._variants.base.model.config, "max_position_embeddings", None)
        limit = min(sampling.max_new_tokens or TOKENS, (context or 2 * TOKENS) // 2)
        decoding = chosen.config.decoding.model_copy(
            update={"max_new_tokens": limit, "num_beams": 1}
        )

        def work(listener: Listener) -> None:
            with self._turn(), self._placed(chosen, tuned=tuned) as model:
                base = self._variants.base
                chatter = Chatter(base, model, decoding)
                chatter.codec = ChatCodec(base.tokenizer)  # the base's keeps every history
                ids = chatter.fitted(turns).ids
                stream(model, chatter.codec, ids, decoding, sampling, limit, listener)

        return _growing(work)

    def _placed(self, chosen: Chosen, *, tuned: bool) -> Any:  # noqa: ANN401 - a context manager
        return self._variants.placed(chosen.name if tuned and chosen.trained else None)


def _lines(translator: Translator, text: str, sampling: Sampling, listener: Listener) -> Hypothesis:
    """Line in, line out: as ``translate`` does it."""
    done: list[Hypothesis] = []

    def joined(*more: Hypothesis) -> Hypothesis:
        parts = [*done, *more]
        return Hypothesis(
            "\n".join(" ".join(part.text.splitlines()) for part in parts),
            all(part.stopped for part in parts),
            sum(part.tokens for part in parts),
        )

    for line in text.split("\n"):
        if listener.halted():
            break
        if line.strip():
            grown = Listener(lambda new: listener.tell(joined(new)), listener.halted)
            done.append(translator.stream(line.removesuffix("\r"), sampling, grown))
        else:
            done.append(Hypothesis("", stopped=True, tokens=0))
    return joined()


def _whole(history: Sequence[Message]) -> list[Message]:
    """A history without questions that were never answered, but for the last."""
    kept: list[Message] = []
    for turn in history:
        if kept and kept[-1].role == turn.role:
            kept.pop()
        if kept or turn.role == "user":
            kept.append(turn)
    return kept


def _growing(work: Callable[[Listener], None]) -> Iterator[str]:
    """What a listener is told, while the work is done in a thread that ends with the reader."""
    told: queue.Queue[str | BaseException | None] = queue.Queue()
    closed = threading.Event()

    def carry_out() -> None:
        try:
            work(Listener(lambda said: told.put(said.text), closed.is_set))
            told.put(None)
        except BaseException as error:  # noqa: BLE001 - raised again where the text is read
            told.put(error)

    threading.Thread(target=carry_out, daemon=True).start()
    try:
        while (said := told.get()) is not None:
            if isinstance(said, BaseException):
                raise said
            yield said
    finally:
        closed.set()
