"""What is counted: a plain message that is sent, alone or with others, claimed and committed, and run by a worker."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from unittest.mock import patch

from fq import Actor, App
from fq.brokers.records import ClaimRequest, Commit
from fq.brokers.sqlite import database, file_check
from fq.worker.process import dispatcher
from tests.cost.counting import Cost, CountedSqlite, cost

SENDS, TOGETHER, REPEATS, RUNS = 50, 50, 10, 300
LONG_SECONDS = 600.0


class Workloads:
    """The workloads of an app on the broker at *url*. Mutable: the app has open connections."""

    def __init__(self, url: str) -> None:
        self.app = App(url)

        @self.app.actor
        def noop() -> None: ...

        @self.app.actor
        async def anoop() -> None: ...

        self.noop, self.anoop = noop, anoop
        self._commits: list[Commit] = []

    def send(self) -> Cost:
        """Return the cost of `send`."""
        self._sends()  # opens the connection, and fills caches
        return cost(SENDS, self._sends)

    def asend(self) -> Cost:
        """Return the cost of `asend`, one after the other."""
        asyncio.run(self._asends())
        return cost(SENDS, lambda: asyncio.run(self._asends()))

    def send_many(self) -> Cost:
        """Return the cost of each message of a `send_many`."""
        self._send_many(self.noop, TOGETHER)
        return cost(TOGETHER, lambda: self._send_many(self.noop, TOGETHER), repeats=REPEATS, together=True)

    def turn(self) -> Cost:
        """Return the cost of each message that a turn of the broker commits, and each that it claims in the same turn."""
        self._send_many(self.noop, (2 + REPEATS) * TOGETHER)
        self._turn()
        self._turn()
        return cost(TOGETHER, self._turn, repeats=REPEATS, together=True)

    def run_sync(self) -> Cost:
        """Return the cost of a message in a worker."""
        return self._run(self.noop, dispatcher=True)

    def run_async(self) -> Cost:
        """Return the cost of a message to an async actor in the event loop of a worker; its dispatcher does the same for both kinds."""
        return self._run(self.anoop, dispatcher=False)

    def _sends(self) -> None:
        for _ in range(SENDS):
            self.noop.send()

    async def _asends(self) -> None:
        for _ in range(SENDS):
            await self.noop.asend()

    def _send_many(self, actor: Actor[[], None], count: int) -> None:
        self.app.send_many(actor.call() for _ in range(count))

    def _turn(self) -> None:
        """Take a turn that commits what the one before it has claimed."""
        turn = self.app.broker.turn(self._commits, ClaimRequest("cost", ("default",), TOGETHER))
        assert len(turn.deliveries) == TOGETHER
        self._commits = [Commit(each.message_id, each.queue_name, each.token) for each in turn.deliveries]

    def _run(self, actor: Actor[[], None], *, dispatcher: bool) -> Cost:
        self._send_many(actor, RUNS)
        self._drain()
        self._send_many(actor, RUNS)
        found = cost(RUNS, self._drain, dispatcher=dispatcher)
        return Cost(found.calls, by_function=found.by_function)  # how many trips there are depends on the number of turns

    def _drain(self) -> None:
        with self.app.worker(threads=1) as worker:
            while worker.dispatcher.committed < RUNS:
                time.sleep(0.005)


COUNTED: dict[str, Callable[[Workloads], Cost]] = {
    "send": Workloads.send,
    "asend": Workloads.asend,
    "send_many": Workloads.send_many,
    "turn": Workloads.turn,
    "run, sync": Workloads.run_sync,
    "run, async": Workloads.run_async,
}


INTERVALS = (
    (dispatcher, "COMMIT_LINGER_SECONDS", LONG_SECONDS),
    (file_check, "CHECK_SECONDS", LONG_SECONDS),
    (database, "MARK_SECONDS", LONG_SECONDS),
    (database, "CLOCK_CHECK_MS", LONG_SECONDS * 1_000),
)
"""Times that decide how often something is done. They are long while fq counts, so that a slow machine counts the same as a fast one."""


def measure(url: str, what: str) -> Cost:
    """Return the cost of the workload *what* on the broker at *url*."""
    with ExitStack() as stack:
        for module, name, value in INTERVALS:
            stack.enter_context(patch.object(module, name, value))
        stack.enter_context(patch.object(sqlite3, "connect", partial(sqlite3.connect, factory=CountedSqlite)))
        workloads = Workloads(url)
        stack.callback(workloads.app.broker.close)
        return COUNTED[what](workloads)
