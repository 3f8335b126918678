"""
`Ear`: a thread on one connection that hears what the server publishes: bells, for workers that wait, and results, for their readers.

A worker is rung by the script that makes something ready, if it is registered as waiting, and it registers in the very step that found
nothing. A reader registers in the step that found no result. So nobody polls, and nothing falls between looking and waiting. Mutable shell.
"""

import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable

from redis.exceptions import RedisError

from fq.brokers.redis.connections import Connection, Place
from fq.errors import BrokerUnavailable
from fq.runtime.logger import logger
from fq.runtime.watched_threads import watched_thread

CHECK_SECONDS = 10.0
"""After so much silence the ear asks if the server is still there."""

ANSWER_SECONDS = 5.0
"""So long the server has to answer; then the ear connects anew."""

log = logger("fq.redis")


class Ear:
    """
    Hears the channels that it was asked to, from its making until `close`.

    Its thread calls *on_news* with channel and text, and *on_return* when the connection had been lost and is back: something may have been
    missed.
    """

    def __init__(self, place: Place, on_news: Callable[[str, bytes], None], on_return: Callable[[], None]) -> None:
        self._place = place
        self._on_news = on_news
        self._on_return = on_return
        self._changed = threading.Condition()
        self._wanted: dict[str, None] = {}
        self._new: deque[str] = deque()
        self._heard: set[str] = set()
        self._error: Exception | None = None
        self._closed = False
        self._deaf = False
        self._inbox, self._outbox = os.pipe()
        self._thread = watched_thread("fq-redis-ear", self._run)
        self._thread.start()

    def hears(self, channel: str) -> bool:
        """Return whether *channel* is heard at the moment."""
        return channel in self._heard

    def hear(self, channel: str, timeout: float) -> None:
        """
        Return once *channel* is heard.

        Raises:
            BrokerUnavailable: it was not within *timeout* seconds.
        """
        if channel in self._heard:
            return
        with self._changed:
            if channel not in self._wanted:
                self._wanted[channel] = None
                self._new.append(channel)
                os.write(self._outbox, b".")
            if not self._changed.wait_for(lambda: channel in self._heard or self._closed, timeout):
                self._deaf = True  # what is published by now is missed
                raise BrokerUnavailable(f"{self._place.name} could not be listened to for {timeout:g} s: {self._error}") from self._error

    def close(self) -> None:
        """End the thread and its connection."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            os.write(self._outbox, b".")
        self._thread.join()
        os.close(self._inbox)
        os.close(self._outbox)

    def _run(self) -> None:
        pause = 0.005
        while not self._closed:
            connection: Connection | None = None
            try:
                connection = self._place.connect()
                pause = 0.005
                self._listen(connection)
            except Exception as error:  # whatever it was: an ear that has ended would leave workers waiting for ever
                self._lose(error)
            finally:
                self._heard = set()
                self._deaf = True
                if connection is not None:
                    connection.disconnect()
            if not self._closed:
                time.sleep(pause)
                pause = min(2 * pause, 0.5)

    def _lose(self, error: Exception) -> None:
        if isinstance(error, RedisError):
            self._place.moved(error)
        if str(error) != str(self._error):
            log.warning("lost the connection that listens to %s, connecting again: %s", self._place.name, error)
        self._error = error

    def _listen(self, connection: Connection) -> None:
        with self._changed:
            self._new.clear()
            channels = list(self._wanted)
        if channels:
            connection.send_command("SUBSCRIBE", *channels)
        self._returned(len(channels) == 0)
        asked = len(channels) > 0
        due = time.monotonic() + (ANSWER_SECONDS if asked else CHECK_SECONDS)
        with selectors.DefaultSelector() as selector:
            selector.register(self._inbox, selectors.EVENT_READ)
            selector.register(connection._sock, selectors.EVENT_READ)
            while not self._closed:
                ready = [key.fd for key, _ in selector.select(max(0.0, due - time.monotonic()))]
                if connection._sock.fileno() in ready:
                    self._read(connection)
                    asked, due = False, time.monotonic() + CHECK_SECONDS
                elif time.monotonic() >= due:
                    if asked:
                        raise TimeoutError(f"it has not answered for {ANSWER_SECONDS:g} s")
                    connection.send_command("PING", check_health=False)
                    asked, due = True, time.monotonic() + ANSWER_SECONDS
                if self._inbox in ready:
                    os.read(self._inbox, 512)
                    self._subscribe(connection)
                    if not asked:
                        asked, due = True, time.monotonic() + ANSWER_SECONDS

    def _subscribe(self, connection: Connection) -> None:
        while self._new:
            connection.send_command("SUBSCRIBE", self._new.popleft(), check_health=False)

    def _read(self, connection: Connection) -> None:
        """Take in all that has come, at least one thing."""
        while True:
            self._take_in(connection.read_response(disable_decoding=True))
            if not connection.can_read(timeout=0):
                return

    def _take_in(self, reply: object) -> None:
        if not isinstance(reply, list):
            return
        channel = reply[1].decode()
        if reply[0] == b"message":
            self._on_news(channel, reply[2])
        elif reply[0] == b"subscribe":
            with self._changed:
                self._heard.add(channel)
                self._changed.notify_all()
            self._returned(self._heard.issuperset(self._wanted))

    def _returned(self, everything_is_heard: bool) -> None:
        if everything_is_heard:
            self._error = None
            if self._deaf:
                self._deaf = False
                self._on_return()
