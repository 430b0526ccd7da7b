"""A chat-completions server on loopback, as well- or ill-behaved as a test asks for.

It speaks HTTP/1.1 over real sockets, so that time-outs, cut connections and status codes reach the
client as they would from a provider. Run as a program it serves good answers in a process of its
own, so that the client's processor time can be told from the server's.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-canary-7f3a9c1e5b2d"
"""The only key that the server takes."""

_ENGLISH = (
    "house river garden teacher window bread morning train letter bridge doctor music "
    "market winter summer friend kitchen village forest mountain ticket hotel coffee paper"
)
_SPANISH = (
    "casa río jardín maestro ventana pan mañana tren carta puente doctor música mercado "
    "invierno verano amigo cocina pueblo bosque montaña billete hotel café papel"
)
_WORDS = {"en": _ENGLISH.split(), "es": _SPANISH.split()}


@dataclass(frozen=True)
class Reply:
    """What the server does with one request."""

    content: str | None = None
    """Of the assistant's message; ``None`` sends ``body`` as it is."""
    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds before the answer."""
    cut: bool = False
    """Close the connection in the middle of the answer."""
    finish_reason: str = "stop"


Behaviour = Callable[[int, dict[str, Any]], Reply]
"""Number of the request (from 0) and its body, to what the server does."""


def sentence_pair(chance: random.Random) -> dict[str, str]:
    """An English sentence and its Spanish counterpart, put together from words."""
    places = [chance.randrange(len(_WORDS["en"])) for _ in range(5)]
    english, spanish = ([_WORDS[code][place] for place in places] for code in ("en", "es"))
    return {
        "en": f"The {english[0]} and the {english[1]} are near the {english[2]}, "
        f"but the {english[3]} is behind the {english[4]}.",
        "es": f"La {spanish[0]} y la {spanish[1]} están cerca de la {spanish[2]}, "
        f"pero la {spanish[3]} está detrás de la {spanish[4]}.",
    }


def good(number: int, body: dict[str, Any], count: int = 10) -> Reply:
    """Ten pairs that no other request is given."""
    chance = random.Random(json.dumps(body["messages"]))
    pairs = [sentence_pair(chance) for _ in range(count)]
    return Reply(json.dumps({"pairs": pairs}, ensure_ascii=False))


@dataclass
class ChatServer:
    """A running server."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of all requests that came in, in their order."""
    times: list[float] = field(default_factory=list)
    answered: int = 0
    """Good answers that were sent whole."""
    keys: set[str] = field(default_factory=set)


@contextlib.contextmanager
def chat_server(behave: Behaviour = good, key: str | None = KEY) -> Iterator[ChatServer]:
    """Serve on a free port until the block ends."""
    state = ChatServer("")
    server = _Server(("127.0.0.1", 0), _handler(behave, key, state))
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is nothing to print."""


def _handler(behave: Behaviour, key: str | None, state: ChatServer) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            given = str(self.headers.get("Authorization", "")).removeprefix("Bearer ")
            with lock:
                number = len(state.requests)
                state.requests.append(body)
                state.times.append(time.monotonic())
                state.keys.add(given)
            if self.path != "/v1/chat/completions":
                self._send(404, json.dumps({"error": {"message": "no such path"}}), {})
            elif key is not None and given != key:
                # As some providers do, the complaint repeats what it was given.
                told = {"error": {"message": f"Incorrect API key provided: {given}."}}
                self._send(401, json.dumps(told), {})
            else:
                self._answer(behave(number, body), body)

        def _answer(self, reply: Reply, body: dict[str, Any]) -> None:
            if reply.delay:
                time.sleep(reply.delay)
            text = reply.body if reply.content is None else _completion(reply, body)
            self._send(reply.status, text, reply.headers, cut=reply.cut)
            if reply.status == 200 and not reply.cut:
                with lock:
                    state.answered += 1

        def _send(
            self, status: int, text: str, headers: dict[str, str], *, cut: bool = False
        ) -> None:
            data = text.encode("utf-8", "surrogatepass")
            head = {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}
            lines = [f"HTTP/1.1 {status} -", *(f"{name}: {value}" for name, value in head.items())]
            data = "\r\n".join([*lines, "", ""]).encode() + data
            if cut:
                self.wfile.write(data[: len(data) - len(text) // 2 - 1])
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
            else:
                self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    return Handler


def _completion(reply: Reply, body: dict[str, Any]) -> str:
    content = reply.content or ""
    asked = sum(len(message["content"]) for message in body["messages"]) // 4
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": content},
                    "finish_reason": reply.finish_reason,
                }
            ],
            "usage": {
                "prompt_tokens": asked,
                "completion_tokens": len(content) // 4,
                "total_tokens": asked + len(content) // 4,
            },
        }
    )


def main() -> None:
    """Serve good answers until killed: ``python chat_server.py SECONDS_PER_ANSWER``."""
    delay = float(sys.argv[1])

    def slow(number: int, body: dict[str, Any]) -> Reply:
        made = good(number, body)
        return Reply(made.content, delay=delay)

    with chat_server(slow) as server:
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
