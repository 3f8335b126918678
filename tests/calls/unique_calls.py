"""What the tests of unique messages share: an app on every broker, which notes its runs, and senders of both colours."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from attrs import frozen

from fq import App, Call, Handle, unique
from tests.brokers.harness import Harness

R = TypeVar("R")


@frozen
class Sender:
    """Sends calls as a sync or as an async producer does."""

    is_async: bool

    def __call__(self, call: Call[R]) -> Handle[R]:
        return asyncio.run(call.asend()) if self.is_async else call.send()

    def many(self, app: App, calls: Iterable[Call[R]]) -> list[Handle[R]]:
        """Send many."""
        return asyncio.run(app.asend_many(calls)) if self.is_async else app.send_many(calls)


SENDERS = {"sync": Sender(False), "async": Sender(True)}


class Noted:
    """
    An app whose actors note what they ran with.

    *during* is called in the middle of each run of `work`.
    """

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.app = App(broker=harness.broker())
        self.runs: list[Any] = []
        self.during: Callable[[], object] = lambda: None
        self.fails = 0

        @self.app.actor(max_retries=3, min_backoff=1_000, max_backoff=1_000)
        def work(n: int) -> int:
            self.runs.append(n)
            self.during()
            if self.fails:
                self.fails -= 1
                raise ValueError("no")
            return n

        @self.app.actor(unique(by=("account",)))
        def sync(account: int, reason: str = "") -> str:
            self.runs.append((account, reason))
            return reason

        @self.app.actor
        def double(n: int) -> int:
            self.runs.append(n)
            return 2 * n

        self.work, self.sync, self.double = work, sync, double

    def run(self) -> list[Any]:
        """Run what is ready, and return what was noted since the last time."""
        self.app.run_until_idle()
        noted, self.runs = self.runs, []
        return noted

    def waiting(self) -> int:
        """Return how many messages wait or run."""
        return sum(queue.ready + queue.delayed + queue.in_flight for queue in self.app.broker.queues())
