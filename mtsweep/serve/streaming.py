"""One answer at a time, told token by token, sampled where somebody asks for that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mtsweep.config import DecodingConfig
from mtsweep.evaluation.generate import Hypothesis, generation_config, hypothesis
from mtsweep.models.chat import ChatCodec
from mtsweep.models.codec import Codec

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Listener:
    """Who waits for an answer."""

    tell: Callable[[Hypothesis], None] = lambda _: None
    """Is told it as far as it is, again and again."""
    halted: Callable[[], bool] = lambda: False
    """Whether nobody waits any more."""


@dataclass(frozen=True)
class Sampling:
    """How an answer is drawn."""

    temperature: float = 0.0
    """Divides the logits; 0 takes the likeliest token each time, as runs are scored."""
    top_p: float = 1.0
    """Draw from the likeliest tokens whose probabilities sum to this (Holtzman et al. 2020)."""
    max_new_tokens: int | None = None
    """Generated tokens at most; ``None`` leaves it to the run and to the text."""


class _Growing:
    """What ``generate`` calls a streamer: tells the tokens so far as text."""

    def __init__(self, understand: Callable[[list[int]], Hypothesis], listener: Listener) -> None:
        self.ids: list[int] = []
        self._understand, self._tell = understand, listener.tell
        self._begun = False

    def put(self, value: torch.Tensor) -> None:
        if not self._begun:  # the prompt, or the decoder's first token
            self._begun = True
            return
        self.ids += value.flatten().tolist()
        said = self._understand(self.ids)
        # A character of several tokens is not whole yet.
        self._tell(Hypothesis(said.text.rstrip("\ufffd"), said.stopped, said.tokens))

    def end(self) -> None:
        """Nothing is held back."""


def stream(
    model: Any,  # noqa: ANN401 - a PreTrainedModel or a PeftModel
    codec: Codec | ChatCodec,
    ids: list[int],
    decoding: DecodingConfig,
    sampling: Sampling,
    limit: int,
    listener: Listener,
) -> Hypothesis:
    """Answer one prompt.

    Args:
        model: In evaluation mode, on its device.
        codec: That encoded the prompt.
        ids: The prompt.
        decoding: Penalties; beams are taken without sampling only, and told when they are through.
        sampling: At temperature 0 the answer is that of :func:`mtsweep.evaluation.generate`.
        limit: Generated tokens at most.
        listener: Told the answer as it grows; asked at each token whether to go on.
    """
    import torch

    config = generation_config(model, codec, decoding, limit)
    if sampling.temperature > 0:
        heat, top = float(sampling.temperature), float(sampling.top_p)  # a whole 1 is refused
        config.update(do_sample=True, num_beams=1, temperature=heat, top_p=top)
    given = torch.tensor([ids], device=model.device)

    def halt(input_ids: torch.Tensor, scores: object) -> torch.Tensor:  # noqa: ARG001
        return torch.full((len(input_ids),), listener.halted(), device=input_ids.device)

    growing = _Growing(lambda said: hypothesis(said, codec, config), listener)
    with torch.no_grad():
        output = model.generate(
            input_ids=given,
            attention_mask=torch.ones_like(given),
            generation_config=config,
            stopping_criteria=[halt],
            streamer=growing if config.num_beams == 1 else None,
        )
    said = output[0, len(ids) if codec.family == "causal" else 1 :].tolist()
    whole = hypothesis(said, codec, config)
    listener.tell(whole)
    return whole
