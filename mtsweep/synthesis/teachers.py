"""Who is asked: an OpenAI-compatible API, or the program Apertium."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from typing import Any, Protocol

from mtsweep import languages
from mtsweep.config import SynthesisConfig
from mtsweep.errors import MtsweepError, UserError
from mtsweep.synthesis.answers import LONGEST
from mtsweep.synthesis.ledger import Answer
from mtsweep.synthesis.requests import Request

_FORMS: tuple[str, ...] = ("json_schema", "json_object", "none")
_LOGGED = 300


class TryAgainError(MtsweepError):
    """A try that brought nothing; another may."""

    def __init__(self, reason: str, after: float | None = None, *, paid: bool = False) -> None:
        super().__init__(reason)
        self.after = after
        """Seconds that the server asks to wait."""
        self.paid = paid
        """Whether the server may have done the work all the same."""


class Teacher(Protocol):
    """Whoever answers requests; asked by several threads at once."""

    def ask(self, request: Request) -> Answer:
        """One try.

        Raises:
            TryAgainError: if another try may bring an answer.
            UserError: if none will.
        """
        ...

    def close(self) -> None:
        """Let go of connections, or of a model."""
        ...


class Chat:
    """An OpenAI-compatible server. Its key is read from the environment and never written."""

    def __init__(self, config: SynthesisConfig, codes: tuple[str, str]) -> None:
        import openai

        self.config = config
        self.codes = codes
        self._key = _key(config)
        auto = config.structured == "auto"
        self._forms: list[str] = list(_FORMS) if auto else [config.structured]
        self._client = openai.OpenAI(
            api_key=self._key or "none",
            base_url=config.base_url,
            timeout=config.timeout,
            max_retries=0,  # tries are ours: each stands in the ledger
        )

    def ask(self, request: Request) -> Answer:
        """One try at a request."""
        import openai

        started = time.monotonic()
        while True:
            form = self._forms[0]
            try:
                said = self._client.chat.completions.create(
                    model=str(self.config.model), **request.body, **self._format(form)
                )
                return self._answer(said, time.monotonic() - started)
            except openai.APIStatusError as error:
                refused = error.status_code in {400, 422} and "response_format" in str(error)
                if refused and self.config.structured == "auto" and form != "none":
                    # Other threads may have stepped down meanwhile, so by name, not by place.
                    self._forms = list(_FORMS[_FORMS.index(form) + 1 :])
                    continue
                raise self._status(error) from None
            except openai.APITimeoutError:
                told = f"no answer within {self.config.timeout:g} s (synthesis.timeout)"
                raise TryAgainError(told, paid=True) from None
            except openai.APIConnectionError as error:
                told = self.scrubbed(str(error.__cause__ or error))
                raise TryAgainError(f"connection: {told}", paid=True) from None
            except (openai.OpenAIError, ValueError) as error:
                told = f"no chat completion: {self.scrubbed(str(error))}"
                raise TryAgainError(told, paid=True) from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _answer(self, said: Any, seconds: float) -> Answer:  # noqa: ANN401 - what a server sends
        choices = getattr(said, "choices", None)
        text = choices[0].message.content if choices else None
        finish = choices[0].finish_reason if choices else None
        if not isinstance(text, str):
            raise TryAgainError("an answer without text", paid=True)
        usage = getattr(said, "usage", None)
        return Answer(
            text=self.scrubbed(text[:LONGEST]),
            model=self.scrubbed(str(getattr(said, "model", ""))),
            prompt_tokens=int(getattr(usage, "prompt_tokens", 0) or 0),
            answer_tokens=int(getattr(usage, "completion_tokens", 0) or 0),
            seconds=seconds,
            finish=str(finish),
        )

    def _status(self, error: Any) -> MtsweepError:  # noqa: ANN401 - openai is imported late
        status, told = error.status_code, self.scrubbed(str(error))[:_LOGGED]
        if status in {401, 403}:
            where = self.config.api_key_env or "synthesis.api_key_env, which is not set"
            return UserError(
                f"synthesis: {self.config.base_url} refuses the key (status {status}); "
                f"check {where}"
            )
        if status == 429 and "insufficient_quota" in told:
            return UserError(f"synthesis: the account has no quota left: {told}")
        if status in {408, 409, 429} or status >= 500:
            return TryAgainError(f"status {status}", _seconds(error.response))
        return UserError(f"synthesis: {self.config.base_url} refuses the request: {told}")

    def scrubbed(self, text: str) -> str:
        """A text without the key, whoever put it there."""
        return text.replace(self._key, "[key]") if self._key else text

    def _format(self, form: str) -> dict[str, Any]:
        if form == "none":
            return {}
        if form == "json_object":
            return {"response_format": {"type": "json_object"}}
        text = {"type": "string"}
        pair = _object(dict.fromkeys(self.codes, text))
        schema = _object({"pairs": {"type": "array", "items": pair}})
        told = {"name": "pairs", "strict": True, "schema": schema}
        return {"response_format": {"type": "json_schema", "json_schema": told}}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _seconds(response: Any) -> float | None:  # noqa: ANN401
    try:
        return max(0.0, float(response.headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def _key(config: SynthesisConfig) -> str:
    if config.api_key_env is None:
        return ""
    key = os.environ.get(config.api_key_env, "").strip()
    if not key:
        raise UserError(
            f"synthesis.api_key_env: the environment variable {config.api_key_env} is not set"
        )
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise UserError(
            f"synthesis.api_key_env: {config.api_key_env} holds no key (odd characters)"
        )
    return key


class Apertium:
    """The program ``apertium`` with the mode of a language pair."""

    def __init__(self, source_lang: str, target_lang: str) -> None:
        self.mode = "-".join(code.partition("_")[0] for code in (source_lang, target_lang))
        program = shutil.which("apertium")
        if program is None:
            raise UserError(
                "synthesis=apertium: the program apertium is not installed (Debian: apt install "
                "apertium and the package of the language pair, such as apertium-eng-spa)"
            )
        self._program = program
        modes = self._run(["-l"], "").split()
        if self.mode not in modes:
            pair = f"{languages.name(source_lang)} to {languages.name(target_lang)}"
            raise UserError(
                f"synthesis=apertium: no mode {self.mode} ({pair}); there are: {', '.join(modes)}"
            )

    @property
    def name(self) -> str:
        """Who answers, for hashes and the card."""
        return f"apertium {self.mode}"

    def ask(self, request: Request) -> Answer:
        """Translate the texts of a request."""
        started = time.monotonic()
        texts = [" ".join(str(text).split()) for text in request.body["texts"]]
        said = self._translated(texts)
        if len(said) != len(texts):  # a text ran into the next: each by itself
            said = [" ".join(self._translated([text])) for text in texts]
        text = json.dumps(said, ensure_ascii=False)
        return Answer(text, self.name, seconds=time.monotonic() - started)

    def close(self) -> None:
        """Nothing is kept open."""

    def _translated(self, texts: list[str]) -> list[str]:
        # An empty line between texts keeps them apart; -u leaves unknown words without a mark.
        said = self._run(["-u", self.mode], "\n\n".join(texts) + "\n")
        return [line.strip() for line in said.splitlines() if line.strip()]

    def _run(self, arguments: list[str], text: str) -> str:
        done = subprocess.run(
            [self._program, *arguments], input=text, capture_output=True, text=True,
            encoding="utf-8", check=False,
        )  # fmt: skip
        if done.returncode:
            raise UserError(f"apertium: {done.stderr.strip()[:_LOGGED] or done.returncode}")
        return done.stdout
