"""Ask many requests at once, within limits, each until it is answered or given up."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mtsweep.config import SynthesisConfig
from mtsweep.errors import MtsweepError, RunFailedError
from mtsweep.synthesis.ledger import Ledger
from mtsweep.synthesis.limits import Budget, Pace, backoff
from mtsweep.synthesis.requests import Plan, Request
from mtsweep.synthesis.teachers import Teacher, TryAgainError

_GIVE_UP = 3
_LONGEST_PAUSE = 900.0


@dataclass
class Crew:
    """Threads that share a teacher, a ledger, a pace and a budget."""

    config: SynthesisConfig
    teacher: Teacher
    ledger: Ledger
    advance: Callable[[], None] = lambda: None
    """Called after each answer."""
    budget_spent: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _trouble: BaseException | None = None
    _failed_in_a_row: int = 0

    def __post_init__(self) -> None:
        config = self.config
        self._pace = Pace(config.requests_per_minute, config.tokens_per_minute)
        self._budget = Budget(config, self.ledger.usage, 0)

    def ask(self, plan: Plan, indices: range) -> None:
        """Have every request of ``indices`` answered that the ledger does not know yet.

        Raises:
            UserError: if the server refuses key or request.
            RunFailedError: if it does not answer any more.
            KeyboardInterrupt: behind the answers that were under way.
        """
        todo = self._todo(plan, indices)
        threads = [
            threading.Thread(target=self._work, args=(todo,), daemon=True)
            for _ in range(self.config.concurrency)
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.1)
        except KeyboardInterrupt:
            self._stop.set()
            for thread in threads:
                thread.join(self.config.timeout)  # what is under way is paid: wait for it
            raise
        if self._trouble is not None:
            raise self._trouble

    def _todo(self, plan: Plan, indices: range) -> Iterator[Request]:
        for index in indices:
            request = plan.request(index)
            if request not in self.ledger:
                yield request

    def _work(self, todo: Iterator[Request]) -> None:
        try:
            while not self._stop.is_set():
                with self._mutex:
                    request = next(todo, None)
                if request is None:
                    return
                if not self._budget.admit(request.tokens):
                    self.budget_spent = True
                    self._stop.set()
                    return
                try:
                    self._until_answered(request)
                finally:
                    self._budget.settle(request.tokens)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            self._trouble = self._trouble or error
            self._stop.set()

    def _until_answered(self, request: Request) -> None:
        reason = ""
        for attempt in range(self.config.retries + 1):
            self._pace.wait(request.tokens, self._stop)
            if self._stop.is_set():
                return
            self.ledger.sent(request)
            try:
                answer = self.teacher.ask(request)
            except TryAgainError as error:
                reason = str(error)
                self.ledger.failed(request, reason, request.tokens if error.paid else 0)
                self._wait(error, attempt)
                continue
            except MtsweepError as error:
                self.ledger.failed(request, str(error), 0)
                raise
            self.ledger.answered(request, answer)
            counted = answer.prompt_tokens + answer.answer_tokens
            self._pace.correct(request.tokens, counted or request.tokens)
            self._failed_in_a_row = 0
            self.advance()
            return
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= _GIVE_UP:
            raise RunFailedError(
                f"synthesis: {self._failed_in_a_row} requests in a row brought nothing after "
                f"{self.config.retries + 1} tries each (the last: {reason}); answers are kept, "
                "the same command goes on"
            )

    def _wait(self, error: TryAgainError, attempt: int) -> None:
        if error.after is not None and error.after > _LONGEST_PAUSE:
            raise RunFailedError(
                f"synthesis: the server asks to come back in {error.after:.0f} s; answers are "
                "kept, the same command goes on"
            )
        if error.after is not None:
            self._pace.pause(error.after)  # a limit is everybody's
        else:
            self._stop.wait(backoff(attempt, random.random))
