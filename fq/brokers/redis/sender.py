"""`Sender`: puts messages on their queues. Mutable shell."""

import uuid
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from time import monotonic
from typing import cast

from fq.brokers.records import EnqueueOp, Placement, new_placement
from fq.brokers.redis.namespace import Namespace
from fq.brokers.redis.script_arguments import Argument, ScriptArguments, write_posts
from fq.brokers.redis.scripts import script
from fq.errors import BrokerError

ENQUEUE_ONE = script("enqueue_one")

IS_NEW = 2
"""What that script returns for a message that was not there."""

ALREADY_MADE = 0
"""What both scripts return for a call that the server has had before."""

MARGIN_MS = 60_000
"""A call is remembered for this long beyond the time for which it may be repeated."""

LATE_MS = 900_000
"""
After a connection has failed, calls are remembered for this long: what its buffers held may still arrive.

Linux goes on delivering for a quarter of an hour.
"""

RELIST_SECONDS = 10.0
"""A queue that was among the names of all queues is taken to be there for this long."""


class Sender:
    """
    Sends ops, all of a call or none.

    Each call under way has a mark of its own on the server, which remembers the number of the latest call that used it, and calls that use one mark
    follow each other. So the server tells a call that is repeated since its reply was lost, and a copy of it that the network delivers late, from a
    new one: their number is not higher. They add nothing, even if the messages have run in the meantime.
    """

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._marks: deque[str] = deque()
        self._reply_marks: deque[str] = deque()
        self._listed_at: dict[str, float] = {}
        self._remembered_ms = round(namespace.client.patience * 1_000) + MARGIN_MS
        self._late_ms = max(LATE_MS, self._remembered_ms)
        self._numbers = count(1)

    def send(self, ops: Sequence[EnqueueOp]) -> int:
        """Send *ops*, which have been checked, in one round trip, and return how many messages are new."""
        if not ops:
            return 0
        if len(ops) > 1 or ops[0].delay:
            call = self._namespace.arguments()
            reply = self._run("enqueue_many", call, write_posts(call, ops), self._marks)
            return len(ops) if reply == ALREADY_MADE else cast("int", reply) - 1
        mark, last_failure = self._take_mark(self._marks), self._namespace.client.last_failure
        try:
            new = self._send_one(ops[0], mark)
            if self._namespace.client.last_failure != last_failure:
                self._expect_late_copies(mark)
        finally:
            self._marks.append(mark)
        return new

    def place(self, ops: Sequence[EnqueueOp]) -> tuple[Placement, ...]:
        """Send *ops*, which have been checked, in one round trip, and return which message stands for each."""
        call = self._namespace.arguments()
        reply = self.run("place", call, [argument for op in ops for argument in call.unique_post(op)]) if ops else ()
        return tuple(
            [
                new_placement(op.message_id, True) if found == 1 else new_placement(cast(bytes, found).decode(), False)
                for op, found in zip(ops, cast(Sequence[object], reply), strict=True)
            ]
        )

    def run(self, name: str, call: ScriptArguments, arguments: Sequence[Argument]) -> object:
        """Return the reply of the script *name*, which the server remembers, and gives again when the call is repeated."""
        return self._run(name, call, arguments, self._reply_marks)

    def _run(self, name: str, call: ScriptArguments, arguments: Sequence[Argument], marks: deque[str]) -> object:
        mark, last_failure = self._take_mark(marks), self._namespace.client.last_failure
        try:
            reply = self._namespace.run(name, call, self._numbered(call, arguments, mark))
            if self._namespace.client.last_failure != last_failure:
                self._expect_late_copies(mark)
        finally:
            marks.append(mark)
        return reply

    def begin(self, ops: Sequence[EnqueueOp]) -> Callable[[], None]:
        """Begin to send *ops*, one at least; what is returned must be called, and waits for the end of that."""
        mark, last_failure = self._take_mark(self._marks), self._namespace.client.last_failure
        call = self._namespace.arguments()
        read_reply = self._namespace.begin("enqueue_many", call, self._numbered(call, write_posts(call, ops), mark))

        def finish() -> None:
            try:
                read_reply()
                if self._namespace.client.last_failure != last_failure:
                    self._expect_late_copies(mark)
            finally:
                self._marks.append(mark)

        return finish

    def _numbered(self, call: ScriptArguments, arguments: Sequence[Argument], mark: str) -> list[Argument]:
        """Return *arguments* after the number of the *call*, and for how long it is remembered; *mark* is its first extra key."""
        call.add_key(mark)
        return [next(self._numbers), self._ttl(monotonic()), *arguments]

    def _ttl(self, now: float) -> int:
        """Return for how long a call that begins *now* is remembered, ms."""
        return self._remembered_ms if (now - self._namespace.client.last_failure) * 1_000 >= self._late_ms else self._late_ms

    def _expect_late_copies(self, mark: str) -> None:
        """Let *mark* be remembered for long: a connection has failed, and the call may have been repeated."""
        with suppress(BrokerError):  # the call itself is done
            self._namespace.client.command("PEXPIRE", mark, self._late_ms)

    def _take_mark(self, marks: deque[str]) -> str:
        """Return one of *marks*, or a new one, that no other call under way has."""
        try:
            return marks.pop()
        except IndexError:
            return self._namespace.keys.send_mark(uuid.uuid4().hex)

    def _send_one(self, op: EnqueueOp, mark: str) -> int:
        namespace, keys, queue, now = self._namespace, self._namespace.keys, op.queue_name, monotonic()
        lists_queue = now - self._listed_at.get(queue, -RELIST_SECONDS) >= RELIST_SECONDS
        arguments = (
            namespace.offset,
            next(self._numbers),
            queue,
            op.priority,
            namespace.prefixes.prefix_of(op),
            op.message_id,
            op.body,
            int(lists_queue),
            self._ttl(now),
        )
        reply = namespace.client.call(ENQUEUE_ONE, (keys.messages, keys.queue_names, keys.waiting, mark, keys.queue(queue)[0]), arguments)
        if lists_queue and reply == IS_NEW:
            self._listed_at[queue] = now
        return int(reply in (IS_NEW, ALREADY_MADE))
