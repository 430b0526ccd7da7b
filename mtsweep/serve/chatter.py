"""A run's model in memory, answering a conversation as it did when it was scored."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtsweep.config import DecodingConfig, RunConfig
from mtsweep.data.pairs import Message
from mtsweep.errors import UserError
from mtsweep.evaluation.generate import Hypothesis, generate, generation_config
from mtsweep.models import families
from mtsweep.models.adapters import adapted, merged
from mtsweep.models.chat import ANSWER_TOKENS, ChatCodec
from mtsweep.models.load import Base, load
from mtsweep.models.locate import locate

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Fitted:
    """A history that fits into the model's context."""

    messages: tuple[Message, ...]
    left_out: int
    """Oldest turns that were left out for it; a system message stays."""
    ids: list[int]


class Chatter:
    """Answers conversations, one at a time; at once, or piece by piece.

    Args:
        base: Its tokenizer is used.
        model: Untouched or tuned, on its device.
        decoding: As the run was scored.

    Raises:
        UserError: if the model has no chat template.
    """

    def __init__(self, base: Base, model: Any, decoding: DecodingConfig) -> None:  # noqa: ANN401
        self.codec: ChatCodec = base.chat_codec()
        self.decoding = decoding
        self._model = model
        context = getattr(model.config, "max_position_embeddings", None)
        self._context = context if isinstance(context, int) else None

    @property
    def limit(self) -> int:
        """Generated tokens at most."""
        return self.decoding.max_new_tokens or ANSWER_TOKENS

    def fitted(self, messages: Sequence[Message]) -> Fitted:
        """A history as the model is given it, without its oldest turns where it is too long.

        Raises:
            UserError: if it does not end with a question, or the last one alone is too long.
        """
        turns = tuple(messages)
        if not turns or turns[-1].role != "user":
            raise UserError("a conversation to be answered ends with a message of the user")
        context = turns[:1] if turns[0].role == "system" else ()
        said = turns[len(context) :]
        for start in range(0, len(said), 2):  # a question goes with its answer
            kept = (*context, *said[start:])
            ids = self.codec.source_ids(kept)
            if self._context is None or len(ids) + self.limit <= self._context:
                return Fitted(kept, start, ids)
        raise UserError(
            f"the message is too long for the model: with room for an answer of {self.limit} "
            f"tokens, {self._context} are allowed"
        )

    def answer(self, messages: Sequence[Message]) -> Hypothesis:
        """The answer to a history, whole."""
        kept = self.fitted(messages).messages
        return generate(self._model, self.codec, [kept], self.decoding, self.limit)[0]

    def stream(
        self, messages: Sequence[Message], stop: threading.Event | None = None
    ) -> Iterator[str]:
        """The answer to a history, piece by piece: joined, the text that :meth:`answer` gives.

        Beams cannot be shown as they grow, so this takes the likeliest token each time.
        The model works in a thread of its own, which ends with the answer, with ``stop``, or when
        the iterator is closed.

        Args:
            messages: The history.
            stop: Ends the answer at the next token, once it is set.

        Raises:
            UserError: as :meth:`fitted`, before the first piece.
        """
        return self._streamed(self.fitted(messages).ids, stop or threading.Event())

    def _streamed(self, ids: list[int], stop: threading.Event) -> Iterator[str]:
        from transformers import TextIteratorStreamer

        streamer: Any = TextIteratorStreamer(
            self.codec.tokenizer,  # type: ignore[arg-type] - says AutoTokenizer
            skip_prompt=True,
            skip_special_tokens=True,
        )
        failed: list[BaseException] = []
        closed = threading.Event()

        def work() -> None:
            try:
                self._generate(ids, streamer, lambda: stop.is_set() or closed.is_set())
            except BaseException as error:  # noqa: BLE001 - raised again where the pieces are read
                failed.append(error)
            finally:
                streamer.text_queue.put(streamer.stop_signal)

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        try:
            yield from _trimmed(streamer.text_queue, streamer.stop_signal)
        finally:
            closed.set()
            worker.join()
        if failed:
            raise failed[0]

    def _generate(self, ids: list[int], streamer: Any, halted: Callable[[], bool]) -> None:  # noqa: ANN401
        import torch

        given = torch.tensor([ids], device=self._model.device)
        greedy = self.decoding.model_copy(update={"num_beams": 1})

        def halt(input_ids: torch.Tensor, scores: object) -> torch.Tensor:  # noqa: ARG001
            return torch.full((len(input_ids),), halted(), device=input_ids.device)

        with torch.no_grad():
            self._model.generate(
                input_ids=given,
                attention_mask=torch.ones_like(given),
                generation_config=generation_config(self._model, self.codec, greedy, self.limit),
                stopping_criteria=[halt],
                streamer=streamer,
            )


def _trimmed(pieces: queue.Queue[str | None], end: str | None) -> Iterator[str]:
    """Pieces without the white space around the whole answer."""
    held, begun = "", False
    while (piece := pieces.get()) is not end:
        text = held + str(piece)
        if not begun:
            text = text.lstrip()
        shown = text.rstrip()
        held = text[len(shown) :]
        if shown:
            begun = True
            yield shown


@contextmanager
def opened(config: RunConfig, trained: Path | None) -> Iterator[Chatter]:
    """The model of a run, loaded as the run loaded it.

    Args:
        config: Of the run; decoding may be another.
        trained: What was trained (:func:`mtsweep.serve.resolve.weights`); ``None`` is the untouched
            model.

    Raises:
        UserError: if the model is not decoder-only, or has no chat template.
    """
    located = locate(config.model)
    family = families.recognise(located.config, located.tokenizer_config)
    if family != "causal":
        raise UserError(f"model.name: {config.model.name} translates; it holds no conversations")
    base = load(config.model, config.lora, located, family, lambda _: None)
    if trained is None:
        yield Chatter(base, base.model, config.decoding)
        return
    with adapted(base, config.lora, config.seed, trained) as model:
        model.eval()
        with merged(model):
            yield Chatter(base, model, config.decoding)
