"""
`Ear`: a thread on one connection that hears what the server publishes: bells, for workers that wait for work, and results, for readers that wait for them.

A worker is rung by the script that makes something ready, if it is registered as waiting, and it registers in the very step that found nothing. Results
are announced to readers that have registered. So nobody polls, and nothing falls between looking and waiting. Mutable shell.
"""

import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from redis.exceptions import RedisError

from fq.brokers.redis.place import Connection, Place
from fq.errors import BrokerUnavailable

CHECK = 30.0
"""After so many seconds of silence the connection is checked."""


class Ear:
    """
    Hears the channels that it was asked to.

    *on_news* is called with channel and text, *on_return* when the connection had been lost and is back: something may have been missed. Both are called
    in the ear's thread.
    """

    def __init__(self, place: Place, on_news: Callable[[str, bytes], None], on_return: Callable[[], None]) -> None:
        self._place = place
        self._on_news = on_news
        self._on_return = on_return
        self._changed = threading.Condition()
        self._wanted: dict[str, None] = {}
        self._heard: set[str] = set()
        self._new: deque[str] = deque()
        self._closed = False
        self._error: Exception | None = None
        self._inbox, self._outbox = os.pipe()
        self._thread = threading.Thread(target=self._run, name="fq-redis-ear", daemon=True)
        self._thread.start()

    def hears(self, channel: str) -> bool:
        """Return whether *channel* is being heard at the moment."""
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
                os.write(self._outbox, b"+")
            if not self._changed.wait_for(lambda: channel in self._heard or self._closed, timeout):
                raise BrokerUnavailable(f"{self._place.name} could not be listened to for {timeout:g} s: {self._error}") from self._error

    def close(self) -> None:
        """End the thread and its connection."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
            os.write(self._outbox, b"x")
        if self._thread is not threading.current_thread():
            self._thread.join(5)

    def _run(self) -> None:
        pause, before = 0.01, False
        while not self._closed:
            connection: Connection | None = None
            try:
                connection = self._place.connect()
                pause = 0.01
                self._listen(connection, returned=before)
            except (RedisError, OSError) as error:
                self._error = error
                if isinstance(error, RedisError):
                    self._place.moved(error)
            finally:
                before = True
                self._heard = set()
                if connection is not None:
                    with suppress(Exception):
                        connection.disconnect()
            if not self._closed:
                time.sleep(pause)
                pause = min(2 * pause, 0.5)
        os.close(self._inbox)
        os.close(self._outbox)

    def _listen(self, connection: Connection, *, returned: bool) -> None:
        with self._changed:
            self._new.clear()
            channels = list(self._wanted)
        if channels:
            connection.send_command("SUBSCRIBE", *channels)
        missing = len(channels)
        quiet = False
        with selectors.DefaultSelector() as selector:
            selector.register(self._inbox, selectors.EVENT_READ)
            selector.register(connection._sock, selectors.EVENT_READ)  # redis-py shows its socket nowhere else
            while not self._closed:
                events = selector.select(CHECK)
                if not events:
                    if quiet:
                        raise OSError("the server has fallen silent")
                    connection.send_command("PING", check_health=False)
                    quiet = True
                    continue
                quiet = False
                for key, _ in events:
                    if key.fd == self._inbox:
                        os.read(self._inbox, 512)
                        self._subscribe(connection)
                        continue
                    while True:
                        missing -= self._read(connection)
                        if missing == 0 and returned:
                            returned = False
                            self._on_return()
                        if not connection.can_read(timeout=0):
                            break

    def _subscribe(self, connection: Connection) -> None:
        while self._new:
            connection.send_command("SUBSCRIBE", self._new.popleft(), check_health=False)

    def _read(self, connection: Connection) -> int:
        """Take in one reply; return how many subscriptions it confirms."""
        reply = connection.read_response(disable_decoding=True)
        if not isinstance(reply, list):
            return 0
        kind, channel = reply[0], reply[1].decode()
        if kind == b"message":
            self._on_news(channel, reply[2])
        elif kind == b"subscribe":
            with self._changed:
                self._heard.add(channel)
                self._changed.notify_all()
            return 1
        return 0
