"""How a teacher writes a synthetic data set."""

from __future__ import annotations

import re
import string
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from mtsweep.config.section import Section, Text, refusal

_FIELDS = {"source", "target", "source_code", "target_code", "count", "topic", "register",
           "shortest", "longest", "examples"}  # fmt: skip
"""What a request's template may show."""


def _request(value: str) -> str:
    try:
        names = {field for _, field, _, _ in string.Formatter().parse(value) if field is not None}
    except ValueError as error:
        raise refusal(f"{error} (a brace of its own is written twice)") from error
    if unknown := names - _FIELDS:
        listed = ", ".join(f"{{{name}}}" for name in sorted(unknown))
        known = ", ".join(f"{{{name}}}" for name in sorted(_FIELDS))
        raise refusal(f"no such field: {listed}; there are {known}")
    if missing := {"source", "target", "count"} - names:
        raise refusal(f"never shows {', '.join(f'{{{name}}}' for name in sorted(missing))}")
    return value


def _variable(value: object) -> object:
    # The value may be the key itself, given by mistake: it is never repeated.
    if value is not None and not (
        isinstance(value, str) and re.fullmatch(r"[A-Z_][A-Z0-9_]*", value)
    ):
        raise refusal(
            "should be the name of an environment variable in capitals, such as GROQ_API_KEY; "
            "the key itself has no place in a configuration"
        )
    return value


def _address(value: object) -> object:
    if value is None:
        return value
    try:
        parts = urlsplit(str(value))
        secret = bool(parts.username or parts.password or parts.query)
    except ValueError:
        raise refusal("is no address; it looks like http://127.0.0.1:8000/v1") from None
    if secret:  # not repeated either
        raise refusal("holds a user, a password or a query; a key belongs in the environment")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise refusal(f"{value!r} is no address; it looks like http://127.0.0.1:8000/v1")
    return str(value)


def _lengths(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] > value[1]:
        raise refusal(f"runs from few words to many, not from {value[0]} to {value[1]}")
    return value


Words = Annotated[tuple[PositiveInt, PositiveInt], AfterValidator(_lengths)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class FilterConfig(Section):
    """Which answers of a teacher are left out; every reason is counted, with examples."""

    language: Share = 0.05
    """Least probability (py3langid) that a text is in its language; 0 asks nobody. Languages that
    the identifier does not know are not checked, and the data card says so."""
    near: Share = 0.8
    """Jaccard similarity of character 4-grams from which a text counts as a near duplicate of
    another, within the set, of the training pairs, or of dev and test; 1 takes exact ones alone."""
    min_chars: PositiveInt = 3
    """Characters of either side at least."""
    max_chars: PositiveInt = 600
    """Characters of either side at most."""
    max_ratio: Annotated[float, Field(gt=1.0)] = 2.5
    """A pair's length ratio in characters may be this many times larger or smaller than the median
    of the real training pairs."""
    embedding: str | None = None
    """Hub name or folder of a sentence-transformers model, or of any encoder (mean-pooled), that
    knows the source language; needs the extra ``embeddings``. Null asks none."""
    meaning: Share = 0.3
    """With ``embedding``: least cosine between a source text and the nearest real training text; it
    depends on the model, so look at the examples in ``card.json``."""


class SynthesisConfig(Section):
    """How a teacher writes a synthetic data set (``conf/synthesis/``); runs take no notice of it.

    ``chat`` teachers write new pairs through an OpenAI-compatible API; ``apertium`` (a program) and
    ``translate`` (a finished run, or a model) translate texts that are there.
    """

    name: Text = Field(pattern=r"^[A-Za-z0-9][\w.-]{0,99}$")
    """What people call the teacher: part of the folder's name."""
    teacher: Literal["chat", "apertium", "translate"]
    pairs: PositiveInt = 1000
    """Pairs wanted after filtering."""
    seed: NonNegativeInt = 7
    """Of the seed plan: topics, lengths, registers, examples, and the API's own seed."""
    folder: Text | None = Field(default=None, pattern=r"^[A-Za-z0-9][\w.-]{0,99}$")
    """Folder under ``synthetic/``; null makes a name from data, teacher and what decides the
    requests. A larger ``pairs`` goes on where a smaller one ended."""
    ask_anew: bool = False
    """Ask a ``chat`` teacher also where the folder's ledger holds nothing but answers to other
    requests (another prompt, model, data, seed or version); otherwise that is refused, since it
    would be paid again."""
    licence: str = "unknown: ask who runs the model whether its output may train another"
    """What the data card says about the licence of the teacher's output."""
    dry_run: bool = False
    """Print the first prompts and the estimate, and ask nobody."""

    direction: Literal["forward", "backward"] = "forward"
    """Teachers that translate: ``forward`` translates source texts (distillation, Kim and Rush
    2016), ``backward`` target texts into source texts (back-translation, Sennrich et al. 2016)."""
    text: Literal["train", "rest"] = "train"
    """Teachers that translate: texts of the training pairs (``train``), or of those that
    ``data.size`` leaves out (``rest``), as if they had never been translated."""
    text_file: str | None = None
    """Teachers that translate: a UTF-8 file with a text a line, instead of ``text``."""
    batch: PositiveInt = 50
    """Teachers that translate: texts a request."""
    run: str | None = None
    """``translate``: a finished run by id or its beginning, ``best``, a run folder, or a sweep,
    whose best run is taken; null takes the command's own ``model``, untouched."""
    beams: PositiveInt | None = None
    """``translate``: beams; null decodes as the run was scored. Kim and Rush 2016 distil from a
    teacher's beam search."""

    model: str | None = None
    """``chat``: the model's name on the server."""
    base_url: Annotated[str | None, BeforeValidator(_address)] = None
    """``chat``: address of the API, ``/v1`` included."""
    api_key_env: Annotated[str | None, BeforeValidator(_variable)] = None
    """``chat``: environment variable that holds the key; null for a server that asks for none."""
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] = 1.0
    max_tokens: PositiveInt = 2048
    """Generated tokens a request at most."""
    structured: Literal["auto", "json_schema", "json_object", "none"] = "auto"
    """How the server is made to answer in JSON; ``auto`` takes the strictest that it accepts."""
    pairs_per_request: PositiveInt = 10
    examples: NonNegativeInt = 4
    """Training pairs shown in each request, others in each; never any of dev or test."""
    topics: tuple[str, ...] = ("everyday life",)
    registers: tuple[str, ...] = ("neutral",)
    lengths: tuple[Words, ...] = ((4, 25),)
    """Fewest and most words of the source text. Every topic meets every register and length before
    any meets again."""
    system: str = ""
    """System message; empty sends none."""
    request: Annotated[str, AfterValidator(_request)] = "{count} {source} {target}"
    """User message; the fields are ``{source} {target}`` (language names), ``{source_code}
    {target_code}`` (keys of the JSON), ``{count} {topic} {register} {shortest} {longest}
    {examples}``."""

    concurrency: PositiveInt = 8
    """Requests under way at once."""
    requests_per_minute: PositiveFloat | None = None
    tokens_per_minute: PositiveFloat | None = None
    """Prompt and answer together, by the server's count where it gives one."""
    timeout: PositiveFloat = 120.0
    """Seconds an answer may take."""
    retries: NonNegativeInt = 5
    """Further tries of a request after 429, 5xx, a time-out or a cut connection."""
    budget_tokens: PositiveInt | None = None
    """Prompt and answer tokens of all requests of the folder, earlier commands included."""
    budget_usd: PositiveFloat | None = None
    """The same in US dollars; needs both prices."""
    price_input: NonNegativeFloat | None = None
    """US dollars a million prompt tokens; null is unknown."""
    price_output: NonNegativeFloat | None = None
    """US dollars a million generated tokens."""

    filters: FilterConfig = FilterConfig()

    @model_validator(mode="after")
    def _complete(self) -> SynthesisConfig:
        if self.teacher == "chat":
            for key in ("model", "base_url"):
                if getattr(self, key) is None:
                    raise refusal(f"a chat teacher needs synthesis.{key}")
            for key in ("topics", "registers", "lengths"):
                if not getattr(self, key):
                    raise refusal(f"synthesis.{key} is empty")
        elif self.model is not None or self.base_url is not None:
            raise refusal(
                "synthesis.model and synthesis.base_url are a chat server's; the translate teacher "
                "is named by synthesis.run, or by model=... with synthesis.run=null"
            )
        if self.teacher != "translate" and (self.run is not None or self.beams is not None):
            raise refusal("synthesis.run and synthesis.beams belong to synthesis=translate")
        if self.budget_usd is not None and None in {self.price_input, self.price_output}:
            raise refusal("budget_usd needs synthesis.price_input and synthesis.price_output")
        return self
