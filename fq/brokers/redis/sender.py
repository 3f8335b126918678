"""`Sender`: puts messages on their queues. Mutable shell."""

import uuid
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import cast

from fq.brokers.records import Post
from fq.brokers.redis.scripts import script
from fq.brokers.redis.server import Server
from fq.brokers.redis.wire import Argument, Sheet, posts_written

ONE = script("one")

NEW = 2
"""What that script returns for a message that was not there."""

MADE_BEFORE = 0
"""What both scripts return for a call that is repeated because its reply was lost."""

MARGIN = 60_000
"""A call is remembered for so long, in ms, beyond the time for which it may be repeated."""

LISTED = 10.0
"""For so long, in seconds, a queue that is among the names of all queues is taken to be there still."""


class Sender:
    """
    Sends posts, all of a call or none.

    Each call at a time has a mark of its own on the server, which remembers the number of the latest call: should the reply to that be
    lost, the call is repeated and adds nothing, even if its messages have run in the meantime.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._marks: deque[str] = deque()
        self._listed: dict[str, float] = {}
        self._remembered = round(server.line.patience * 1_000) + MARGIN

    def send(self, posts: Sequence[Post]) -> int:
        """Send *posts*, which have been checked, in one round trip, and return how many messages are new."""
        if not posts:
            return 0
        mark = self._mark()
        try:
            if len(posts) == 1 and not posts[0].delay:
                return self._send_one(posts[0], mark)
            reply = self._server.run("enqueue", *self._written(posts, mark))
            return len(posts) if reply == MADE_BEFORE else cast("int", reply) - 1
        finally:
            self._marks.append(mark)

    def begin(self, posts: Sequence[Post]) -> Callable[[], None]:
        """Begin to send *posts*, one at least; what is returned must be called, and waits for the end of that."""
        mark = self._mark()
        waits = self._server.begin("enqueue", *self._written(posts, mark))

        def finish() -> None:
            try:
                waits()
            finally:
                self._marks.append(mark)

        return finish

    def _written(self, posts: Sequence[Post], mark: str) -> tuple[Sheet, list[Argument]]:
        sheet = self._server.sheet()
        arguments = posts_written(sheet, posts)
        sheet.extra.append(mark)
        return sheet, [self._server.number(), self._remembered, *arguments]

    def _mark(self) -> str:
        """Return a mark that no other call under way has."""
        try:
            return self._marks.pop()
        except IndexError:
            return self._server.keys.sent(uuid.uuid4().hex)

    def _send_one(self, post: Post, mark: str) -> int:
        server, keys, queue, now = self._server, self._server.keys, post.queue_name, monotonic()
        lists = now - self._listed.get(queue, -LISTED) >= LISTED
        words = (
            server.offset,
            server.number(),
            queue,
            post.priority,
            server.heads.of(post),
            post.message_id,
            post.body,
            int(lists),
            self._remembered,
        )
        reply = server.line.call(ONE, (keys.messages, keys.queue_names, keys.waiting, mark, keys.queue(queue)[0]), words)
        if lists and reply == NEW:
            self._listed[queue] = now
        return int(reply in (NEW, MADE_BEFORE))
