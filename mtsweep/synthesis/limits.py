"""How fast and how much: requests and tokens a minute, pauses that a server asks for, budgets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mtsweep.config import SynthesisConfig
from mtsweep.synthesis.ledger import Usage


class Pace:
    """Spaces requests evenly, so that no minute holds more than it may; shared by all threads."""

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self._request = 60 / requests_per_minute if requests_per_minute else 0.0
        self._token = 60 / tokens_per_minute if tokens_per_minute else 0.0
        self._next_request = self._next_token = self._paused = 0.0
        self._mutex = threading.Lock()

    def wait(self, tokens: int, stop: threading.Event) -> None:
        """Sleep until a request of this size may go out, or until ``stop``."""
        with self._mutex:
            now = time.monotonic()
            start = max(now, self._next_request, self._next_token, self._paused)
            self._next_request = start + self._request
            self._next_token = start + self._token * tokens
        while not stop.wait(max(0.0, start - time.monotonic())):
            with self._mutex:
                if self._paused <= time.monotonic():
                    return
                start = self._paused

    def pause(self, seconds: float) -> None:
        """Let nobody send for so long."""
        with self._mutex:
            self._paused = max(self._paused, time.monotonic() + seconds)

    def correct(self, guessed: int, counted: int) -> None:
        """Give back, or take, what a request's true size differs from the guess."""
        with self._mutex:
            self._next_token += self._token * (counted - guessed)


@dataclass
class Budget:
    """What all requests of a ledger together may cost; those under way are reserved in full."""

    config: SynthesisConfig
    usage: Usage
    reserved: int = 0
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, tokens: int) -> bool:
        """Whether a request of this size may still go out; then it is reserved."""
        with self._mutex:
            if self._over(self.usage.tokens + self.reserved + tokens):
                return False
            self.reserved += tokens
            return True

    def settle(self, tokens: int) -> None:
        """A request is back: what it cost stands in the ledger now."""
        with self._mutex:
            self.reserved -= tokens

    def _over(self, tokens: int) -> bool:
        config = self.config
        if config.budget_tokens is not None and tokens > config.budget_tokens:
            return True
        spent = self.usage.cost(config.price_input, config.price_output)
        if config.budget_usd is None or spent is None:
            return False
        dearest = max(config.price_input or 0.0, config.price_output or 0.0)
        return spent + (tokens - self.usage.tokens) * dearest / 1_000_000 > config.budget_usd


def backoff(attempt: int, chance: Callable[[], float]) -> float:
    """Seconds before another try: doubled each time up to a minute, spread by a quarter."""
    return min(60.0, 0.5 * 2**attempt) * (0.75 + 0.5 * chance())
