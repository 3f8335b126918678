"""`Sender`: puts messages on their queues. Mutable shell."""

import uuid
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from time import monotonic
from typing import cast

from fq.brokers.records import EnqueueOp
from fq.brokers.redis.namespace import Server
from fq.brokers.redis.script_protocol import Argument, Sheet, posts_written
from fq.brokers.redis.scripts import script
from fq.errors import BrokerError

ONE = script("one")

NEW = 2
"""What that script returns for a message that was not there."""

MADE_BEFORE = 0
"""What both scripts return for a call that the server has had before."""

MARGIN_MS = 60_000
"""A call is remembered for this long beyond the time for which it may be repeated."""

LATE_MS = 900_000
"""
After a connection has failed, calls are remembered for this long: what its buffers held may still arrive.

Linux goes on delivering for a quarter of an hour.
"""

LISTED = 10.0
"""For so long, in seconds, a queue that is among the names of all queues is taken to be there still."""


class Sender:
    """
    Sends posts, all of a call or none.

    Each call under way has a mark of its own on the server, which remembers the number of the latest call that used it, and calls that use one mark
    follow each other. So the server tells a call that is repeated since its reply was lost, and a copy of it that the network delivers late, from a
    new one: their number is not higher. They add nothing, even if the messages have run in the meantime.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._marks: deque[str] = deque()
        self._listed: dict[str, float] = {}
        self._remembered_ms = round(server.line.patience * 1_000) + MARGIN_MS
        self._late_ms = max(LATE_MS, self._remembered_ms)
        self._numbers = count(1)

    def send(self, ops: Sequence[EnqueueOp]) -> int:
        """Send *ops*, which have been checked, in one round trip, and return how many messages are new."""
        if not ops:
            return 0
        mark, failed = self._mark(), self._server.line.failed
        try:
            if len(ops) == 1 and not ops[0].delay:
                new = self._send_one(ops[0], mark)
            else:
                reply = self._server.run("enqueue", *self._written(ops, mark))
                new = len(ops) if reply == MADE_BEFORE else cast("int", reply) - 1
            if self._server.line.failed != failed:
                self._expect_late_copies(mark)
        finally:
            self._marks.append(mark)
        return new

    def begin(self, ops: Sequence[EnqueueOp]) -> Callable[[], None]:
        """Begin to send *ops*, one at least; what is returned must be called, and waits for the end of that."""
        mark, failed = self._mark(), self._server.line.failed
        waits = self._server.begin("enqueue", *self._written(ops, mark))

        def finish() -> None:
            try:
                waits()
                if self._server.line.failed != failed:
                    self._expect_late_copies(mark)
            finally:
                self._marks.append(mark)

        return finish

    def _written(self, ops: Sequence[EnqueueOp], mark: str) -> tuple[Sheet, list[Argument]]:
        sheet = self._server.sheet()
        arguments = posts_written(sheet, ops)
        sheet.extra.append(mark)
        return sheet, [next(self._numbers), self._ttl(monotonic()), *arguments]

    def _ttl(self, now: float) -> int:
        """Return for how long a call that begins *now* is remembered, ms."""
        return self._remembered_ms if (now - self._server.line.failed) * 1_000 >= self._late_ms else self._late_ms

    def _expect_late_copies(self, mark: str) -> None:
        """Let *mark* be remembered for long: a connection has failed, and the call may have been repeated."""
        with suppress(BrokerError):  # the call itself is done
            self._server.line.command("PEXPIRE", mark, self._late_ms)

    def _mark(self) -> str:
        """Return a mark that no other call under way has."""
        try:
            return self._marks.pop()
        except IndexError:
            return self._server.keys.sent(uuid.uuid4().hex)

    def _send_one(self, op: EnqueueOp, mark: str) -> int:
        server, keys, queue, now = self._server, self._server.keys, op.queue_name, monotonic()
        lists = now - self._listed.get(queue, -LISTED) >= LISTED
        words = (
            server.offset,
            next(self._numbers),
            queue,
            op.priority,
            server.heads.of(op),
            op.message_id,
            op.body,
            int(lists),
            self._ttl(now),
        )
        reply = server.line.call(ONE, (keys.messages, keys.queue_names, keys.waiting, mark, keys.queue(queue)[0]), words)
        if lists and reply == NEW:
            self._listed[queue] = now
        return int(reply in (NEW, MADE_BEFORE))
