"""``mtsweep app``: runs in the browser, side by side with the untouched model."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from mtsweep.errors import MissingExtraError, UserError

_AUTH = "MTSWEEP_AUTH"


def run(arguments: Sequence[str]) -> int:
    """Serve until somebody stops it."""
    given = _parser().parse_args(arguments)
    auth = _auth(given.auth or os.environ.get(_AUTH))
    try:
        import uvicorn

        from mtsweep.app.server import loopback, serving
    except ModuleNotFoundError as error:
        raise MissingExtraError("the app", "gradio", "app") from error
    from mtsweep import device
    from mtsweep.app.desk import Desk
    from mtsweep.serve import resolve
    from mtsweep.serve.translator import quiet

    if not loopback(given.host) and auth is None:
        raise UserError(
            f"--host {given.host}: others could reach the app there; give --auth USER:PASSWORD "
            f"(or ${_AUTH})"
        )
    listening = _listening(given.host, given.port)
    chosen = [resolve.choose(name, given.output_dir) for name in given.run or [None]]
    device.use(given.device)
    with quiet():
        desk = Desk(chosen, given.max_characters)
        desk.warm()
    app = serving(desk, auth, local=loopback(given.host))
    print(f"{', '.join(desk.runs)} at http://{given.host}:{listening.getsockname()[1]}/")
    print("POST /translate takes JSON, /openapi.json describes it. Ctrl-C ends.", flush=True)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3))
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mtsweep app",
        description="Translate and chat with the models of finished runs in a browser, the "
        "untouched model beside them. Nothing leaves this machine.",
    )
    parser.add_argument(
        "run",
        nargs="*",
        metavar="RUN",
        help="as for translate; several that share their base model can be switched in the page; "
        "none: the untouched default model",
    )
    parser.add_argument("--host", default="127.0.0.1", help="default: this machine alone")
    parser.add_argument("--port", type=int, default=7860, help="0 takes any that is free")
    parser.add_argument("--auth", help=f"USER:PASSWORD to ask for; also ${_AUTH}")
    parser.add_argument("--device", default="cpu", help="default: cpu; cuda, cuda:1, …, auto")
    parser.add_argument(
        "--max-characters", type=int, default=2000, help="of a request; default: 2000"
    )
    parser.add_argument(
        "--output-dir", type=Path, default=Path(), help="folder with runs/ and sweeps/"
    )
    return parser


def _auth(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    user, _, password = text.partition(":")
    if not user or not password:
        raise UserError("--auth: give USER:PASSWORD")
    return user, password


def _listening(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=128)
    except (OSError, OverflowError) as error:
        raise UserError(f"--port {port}: cannot be listened on at {host} ({error})") from error
