"""
`PostOffice`: gathers what coroutines send at the same time, in any number of event loops, and sends it in one round trip.

It is one thread for the process. A connection that belongs to an event loop dies with the loop, is half-read when a caller is cancelled,
and would have to repeat calls in a second way; a thread that is told by a queue does not. Mutable shell.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from attrs import frozen

from fq.brokers.records import Post

TOGETHER = 1_000
"""Once so many posts are gathered they are sent; a single call's go whole, however many."""


@frozen
class Letter:
    """What one call sends, and the future, in its loop, of being sent."""

    posts: Sequence[Post]
    loop: asyncio.AbstractEventLoop
    sent: "asyncio.Future[None]"


class PostOffice:
    """Sends by *send*, in a thread of its own, from its making until `close`."""

    def __init__(self, send: Callable[[Sequence[Post]], None]) -> None:
        self._send = send
        self._letters: SimpleQueue[Letter | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="fq-redis-post-office", daemon=True)
        self._thread.start()

    def post(self, posts: Sequence[Post]) -> "asyncio.Future[None]":
        """Return the future, in the running loop, of *posts* being sent; it raises what *send* raises. Nothing may be posted after `close`."""
        loop = asyncio.get_running_loop()
        sent: asyncio.Future[None] = loop.create_future()
        self._letters.put(Letter(posts, loop, sent))
        return sent

    def close(self) -> None:
        """Send what has been gathered, and end the thread."""
        self._letters.put(None)
        self._thread.join()

    def _run(self) -> None:
        letter = self._letters.get()
        while letter is not None:
            letters, letter = self._gather(letter)
            self._deliver(letters)
            letter = letter and self._letters.get()

    def _gather(self, letter: Letter) -> tuple[list[Letter], Letter | None]:
        """Return *letter* with all that wait behind it, as many as go together; and None if the end was among them."""
        letters, size = [letter], len(letter.posts)
        with suppress(Empty):
            while size < TOGETHER:
                another = self._letters.get_nowait()
                if another is None:
                    return letters, None
                letters.append(another)
                size += len(another.posts)
        return letters, letter

    def _deliver(self, letters: Sequence[Letter]) -> None:
        error: Exception | None = None
        try:
            self._send([post for letter in letters for post in letter.posts])
        except Exception as raised:
            error = raised
        for loop in {letter.loop for letter in letters}:
            with suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(_settle, [letter.sent for letter in letters if letter.loop is loop], error)


def _settle(futures: Sequence["asyncio.Future[None]"], error: Exception | None) -> None:
    for sent in futures:
        if sent.done():
            continue
        if error is None:
            sent.set_result(None)
        else:
            sent.set_exception(error)
