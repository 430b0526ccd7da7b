"""The append-only account of what was asked, answered and paid.

``ledger.jsonl`` has a line when a request is sent, and one when it is answered or has failed. A
line is only ever added, by whoever holds the lock. After a kill the last line may be cut: it is
closed and left alone. A request that was sent and never came back may have been paid, so budgets
count it with what it may have cost at most.
"""

from __future__ import annotations

import datetime
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mtsweep.synthesis.requests import Request


@dataclass(frozen=True)
class Answer:
    """What a teacher said to a request."""

    text: str
    model: str
    """As the server calls it."""
    prompt_tokens: int = 0
    answer_tokens: int = 0
    seconds: float = 0.0
    finish: str = "stop"
    """Why it ended; ``length`` is the limit of tokens."""


@dataclass
class Usage:
    """What a ledger adds up to."""

    answered: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    lost_tokens: int = 0
    """Of requests whose answer never arrived, at most."""
    seconds: float = 0.0
    """Of answers, one after the other."""
    broken_lines: int = 0

    @property
    def tokens(self) -> int:
        """What a budget counts."""
        return self.prompt_tokens + self.answer_tokens + self.lost_tokens

    def cost(self, price_input: float | None, price_output: float | None) -> float | None:
        """US dollars, at prices a million tokens; lost ones at the higher price."""
        if price_input is None or price_output is None:
            return None
        lost = self.lost_tokens * max(price_input, price_output)
        return (
            self.prompt_tokens * price_input + self.answer_tokens * price_output + lost
        ) / 1_000_000


@dataclass
class Ledger:
    """Open it with ``with``: other processes wait meanwhile."""

    path: Path
    waiting: Callable[[], None] = lambda: None
    """Called once if another process holds the ledger."""
    usage: Usage = field(default_factory=Usage)
    _offsets: dict[str, int] = field(default_factory=dict)
    first: int | None = None
    """Lowest place in a plan that was answered, of whatever request stood there."""
    _open: dict[str, list[int]] = field(default_factory=dict)
    """Hash to the tokens of tries that were sent and did not come back yet."""

    def __enter__(self) -> Ledger:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._mutex = threading.Lock()
        self._lock = FileLock(self.path.with_suffix(".lock"), thread_local=False)
        try:
            self._lock.acquire(timeout=0.1)
        except Timeout:
            self.waiting()
            self._lock.acquire()
        self._file = self.path.open("a+b")
        self._read()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._lock.release()

    def _read(self) -> None:
        self._file.seek(0)
        offset, line = 0, b"\n"
        for line in self._file:
            try:
                self._take(json.loads(line), offset)
            except (ValueError, KeyError, TypeError):
                self.usage.broken_lines += 1
            offset += len(line)
        if not line.endswith(b"\n"):
            self._file.write(b"\n")  # cut off by a kill: the next line starts anew
            self._file.flush()
        self.usage.lost_tokens += sum(sum(tries) for tries in self._open.values())
        self._open.clear()

    def _take(self, told: dict[str, Any], offset: int) -> None:
        known = told["hash"]
        if told["event"] == "sent":
            self._open.setdefault(known, []).append(int(told["tokens"]))
            return
        tries = self._open.get(known)
        if tries:
            tries.pop()
        if told["event"] == "answered":
            self._offsets.setdefault(known, offset)
            place = int(told["index"])
            self.first = place if self.first is None else min(place, self.first)
            self.usage.answered += 1
            self.usage.prompt_tokens += int(told["usage"]["prompt"])
            self.usage.answer_tokens += int(told["usage"]["answer"])
            self.usage.seconds += float(told["seconds"])
        else:
            self.usage.failed += 1
            self.usage.lost_tokens += int(told["tokens"])

    def __contains__(self, request: Request) -> bool:
        return request.hash in self._offsets

    def answer(self, request: Request) -> Answer | None:
        """What was said to a request, if it was ever answered."""
        offset = self._offsets.get(request.hash)
        if offset is None:
            return None
        with self._mutex:
            self._file.seek(offset)
            told = json.loads(self._file.readline())
        return Answer(
            told["text"],
            told["model"],
            told["usage"]["prompt"],
            told["usage"]["answer"],
            told["seconds"],
            told["finish"],
        )

    def sent(self, request: Request) -> None:
        """Note that a request goes out now."""
        told = {"event": "sent", "hash": request.hash, "index": request.index,
                "tokens": request.tokens, "time": _now()}  # fmt: skip
        with self._mutex:
            self._append(told)

    def answered(self, request: Request, answer: Answer) -> None:
        """Keep an answer; from now on the request is never sent again."""
        told = {
            "event": "answered",
            "hash": request.hash,
            "index": request.index,
            "model": answer.model,
            "text": answer.text,
            "finish": answer.finish,
            "usage": {"prompt": answer.prompt_tokens, "answer": answer.answer_tokens},
            "seconds": round(answer.seconds, 3),
            "time": _now(),
            "request": dict(request.body),
        }
        with self._mutex:
            offset = self._append(told)
            os.fsync(self._file.fileno())
            self._take(told, offset)

    def failed(self, request: Request, reason: str, tokens: int) -> None:
        """Note a try that brought nothing; ``tokens`` may have been paid for it."""
        told = {"event": "failed", "hash": request.hash, "index": request.index,
                "reason": reason, "tokens": tokens, "time": _now()}  # fmt: skip
        with self._mutex:
            self._append(told)
            self._take(told, 0)

    def _append(self, told: dict[str, Any]) -> int:
        """Add a line, in one write; returns where it begins."""
        # Half a surrogate pair is no UTF-8: it is kept as \udXXX, as JSON may.
        line = json.dumps(told, ensure_ascii=False)
        if not line.isascii():
            try:
                line.encode()
            except UnicodeEncodeError:
                line = json.dumps(told)
        self._file.seek(0, os.SEEK_END)
        offset = self._file.tell()
        self._file.write(line.encode() + b"\n")
        self._file.flush()
        return offset

    def failures(self, most: int = 5) -> Iterator[str]:
        """Reasons of the last failed tries, newest first."""
        with self.path.open("rb") as lines:
            told = [line for line in lines if b'"event": "failed"' in line]
        for line in reversed(told[-most:]):
            yield json.loads(line)["reason"]


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
