"""`Sender`: puts messages on their queues. Mutable shell."""

import uuid
from collections import deque
from collections.abc import Sequence

from fq.brokers.records import Post
from fq.brokers.redis.scripts import script
from fq.brokers.redis.server import Server
from fq.brokers.redis.wire import posts_written


class Sender:
    """
    Sends posts, all of a call or none.

    Each call at a time has a mark of its own on the server, which remembers the number of the latest call: should the reply to that be
    lost, the call is repeated and adds nothing, even if its messages have run in the meantime.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._marks: deque[str] = deque()

    def send(self, posts: Sequence[Post]) -> None:
        """Send *posts*, which have been checked, in one round trip."""
        try:
            mark = self._marks.pop()
        except IndexError:
            mark = self._server.keys.sent(uuid.uuid4().hex)
        try:
            if len(posts) == 1 and not posts[0].delay:
                self._send_one(posts[0], mark)
            elif posts:
                self._send_many(posts, mark)
        finally:
            self._marks.append(mark)

    def _send_one(self, post: Post, mark: str) -> None:
        server, keys = self._server, self._server.keys
        head = server.heads.of(post)
        arguments = (server.offset, server.number(), post.queue_name, post.priority, head, post.message_id, post.body)
        server.line.call(script("one"), (keys.messages, keys.queue_names, keys.waiting, mark, keys.queue(post.queue_name)[0]), arguments)

    def _send_many(self, posts: Sequence[Post], mark: str) -> None:
        sheet = self._server.sheet()
        arguments = posts_written(sheet, posts)
        sheet.extra.append(mark)
        self._server.run("enqueue", sheet, (self._server.number(), *arguments))
