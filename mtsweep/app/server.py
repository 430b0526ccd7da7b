"""Page and endpoint in one process, reached from this machine alone unless somebody asks."""

from __future__ import annotations

import base64
import ipaddress
import os
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported

import gradio as gr  # noqa: E402
from fastapi import Request, Response  # noqa: E402
from fastapi.responses import JSONResponse  # noqa: E402
from gradio.themes import Default  # noqa: E402

from mtsweep.app.desk import Desk  # noqa: E402
from mtsweep.app.endpoint import application  # noqa: E402
from mtsweep.app.page import page  # noqa: E402

_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'none'; "
    "form-action 'self'; base-uri 'self'"
)
_BYTES = 16
"""Of a request, for each character that a text may have; some more for what is around it."""
_FONTS = ["system-ui", "sans-serif"]


def loopback(host: str) -> bool:
    """Whether a host name is this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serving(desk: Desk, auth: tuple[str, str] | None, *, local: bool = True) -> Any:  # noqa: ANN401 - a FastAPI
    """The whole application.

    Args:
        desk: Answers.
        auth: User and password; ``None`` asks for none.
        local: Answer what was sent to this machine's own names alone, so that no page of another
            place can ask through a name that it points here (DNS rebinding).
    """
    app = application(desk)

    @app.middleware("http")
    async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        if local and not loopback(request.url.hostname or ""):
            return JSONResponse({"error": "this app is reached as http://127.0.0.1 alone"}, 403)
        if request.url.path in {"/translate", "/openapi.json"}:
            if auth is not None and not _knows(request.headers.get("authorization", ""), auth):
                told = {"error": "user and password are asked for"}
                return JSONResponse(told, 401, {"WWW-Authenticate": "Basic"})
            length = request.headers.get("content-length", "0")
            if not length.isdecimal() or int(length) > _BYTES * desk.max_characters + 65_536:
                return JSONResponse({"error": "the request is too long"}, 413)
        response = await go_on(request)
        response.headers["Content-Security-Policy"] = _POLICY
        return response

    theme = Default(font=_FONTS, font_mono=["monospace"])
    return gr.mount_gradio_app(
        app, page(desk), path="/", auth=auth, theme=theme, ssr_mode=False, footer_links=[],
        max_file_size="1kb", show_error=False, enable_monitoring=False,
    )  # fmt: skip


def _knows(header: str, auth: tuple[str, str]) -> bool:
    wanted = base64.b64encode(":".join(auth).encode()).decode()
    return secrets.compare_digest(header.encode(), f"Basic {wanted}".encode())
