"""``POST /translate``: JSON in, JSON out, described by ``/openapi.json``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from mtsweep.app.desk import TOKENS, BusyError, Desk
from mtsweep.errors import UserError
from mtsweep.serve.streaming import Sampling


class Ask(BaseModel):
    """What shall be translated; what is left out is as the run was scored."""

    model_config = ConfigDict(extra="forbid")
    text: str | Annotated[list[str], Field(min_length=1, max_length=100)]
    run: str | None = None
    source_lang: str | None = None
    target_lang: str | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_new_tokens: Annotated[int, Field(ge=1, le=TOKENS)] | None = None


class Translation(BaseModel):
    """One translation; ``stopped`` is false where it was cut off at the limit."""

    text: str
    stopped: bool
    tokens: int


class Answer(BaseModel):
    """Translations in the order of the texts."""

    run: str
    source_lang: str
    target_lang: str
    translations: list[Translation]


class Trouble(BaseModel):
    """What is wrong."""

    error: str


_TROUBLES: dict[int | str, dict[str, Any]] = {
    code: {"model": Trouble, "description": told}
    for code, told in (
        (400, "a text or language that cannot be taken"),
        (422, "not as described"),
        (503, "too many requests wait"),
    )
}


def application(desk: Desk) -> FastAPI:
    """The endpoint alone; Swagger's page is left out, because it loads scripts from elsewhere."""
    app = FastAPI(title="mtsweep", docs_url=None, redoc_url=None)

    @app.post("/translate", responses=_TROUBLES)
    def translate(ask: Ask) -> Answer:
        run = ask.run or next(iter(desk.runs))
        data = desk.runs[run].config.data if run in desk.runs else None
        own = (data.source_lang, data.target_lang) if data else ("", "")
        pair = ask.source_lang or own[0], ask.target_lang or own[1]
        texts = [ask.text] if isinstance(ask.text, str) else ask.text
        sampling = Sampling(ask.temperature, ask.top_p, ask.max_new_tokens)
        said = desk.translate(run, texts, pair, sampling)
        told = [Translation(text=each.text, stopped=each.stopped, tokens=each.tokens)
                for each in said]  # fmt: skip
        return Answer(run=run, source_lang=pair[0], target_lang=pair[1], translations=told)

    @app.exception_handler(UserError)
    def refused(request: Request, error: UserError) -> JSONResponse:  # noqa: ARG001
        return JSONResponse({"error": str(error)}, 400)

    @app.exception_handler(BusyError)
    def busy(request: Request, error: BusyError) -> JSONResponse:  # noqa: ARG001
        return JSONResponse({"error": str(error)}, 503, {"Retry-After": "5"})

    @app.exception_handler(RequestValidationError)
    def wrong(request: Request, error: RequestValidationError) -> JSONResponse:  # noqa: ARG001
        told = [f"{'.'.join(map(str, each['loc'][1:])) or 'body'}: {each['msg']}"
                for each in error.errors()]  # fmt: skip
        return JSONResponse({"error": "; ".join(told)}, 422)

    return app
