"""
`Subscriber`: a thread on one connection that receives what the server publishes: wake-ups for workers that wait, and results for their readers.

The script that makes something ready wakes a worker that is registered as waiting, and a worker registers in the very step that found
nothing. A reader registers in the step that found no result. So fq polls nothing, and nothing is lost between looking and waiting. Mutable shell.
"""

import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable

from redis.exceptions import RedisError

from fq.brokers.redis.connections import Connection, Endpoint
from fq.brokers.redis.tuning import Tuning
from fq.errors import BrokerUnavailable
from fq.runtime.logger import logger
from fq.runtime.watched_threads import watched_thread

MIN_RECONNECT_SECONDS, MAX_RECONNECT_SECONDS = 0.005, 0.5
"""How long it pauses between two attempts to connect: each time twice as long as before, up to the maximum."""

log = logger("fq.redis")


class Subscriber:
    """
    Is subscribed to the channels that it was asked for, from its making until `close`.

    Its thread calls *on_message* with channel and text, and *on_reconnect* when the connection had been lost and is back: messages may have
    been missed.
    """

    def __init__(
        self, endpoint: Endpoint, on_message: Callable[[str, bytes], None], on_reconnect: Callable[[], None], tuning: Tuning
    ) -> None:
        self._tuning = tuning
        self._endpoint = endpoint
        self._on_message = on_message
        self._on_reconnect = on_reconnect
        self._changed = threading.Condition()
        self._channels: dict[str, None] = {}
        self._pending: deque[str] = deque()
        self._subscribed: set[str] = set()
        self._error: Exception | None = None
        self._closed = False
        self._disconnected = False
        self._inbox, self._outbox = os.pipe()
        self._thread = watched_thread("fq-redis-subscriber", self._run)
        self._thread.start()

    def is_subscribed(self, channel: str) -> bool:
        """Return whether what is published on *channel* arrives at the moment."""
        return channel in self._subscribed

    def subscribe(self, channel: str, timeout: float) -> None:
        """
        Return once *channel* is subscribed to.

        Raises:
            BrokerUnavailable: it was not within *timeout* seconds.
        """
        if channel in self._subscribed:
            return
        with self._changed:
            if channel not in self._channels:
                self._channels[channel] = None
                self._pending.append(channel)
                os.write(self._outbox, b".")
            if not self._changed.wait_for(lambda: channel in self._subscribed or self._closed, timeout):
                self._disconnected = True  # what is published by now is missed
                reason = self._error or "it has not answered"
                raise BrokerUnavailable(f"could not subscribe at {self._endpoint.name} within {timeout:g} s: {reason}") from self._error

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
        pause = MIN_RECONNECT_SECONDS
        while not self._closed:
            connection: Connection | None = None
            try:
                connection = self._endpoint.connect()
                pause = MIN_RECONNECT_SECONDS
                self._listen(connection)
            except Exception as error:  # whatever it was: without this thread workers would wait for ever
                self._note_loss(error)
            finally:
                self._subscribed = set()
                self._disconnected = True
                if connection is not None:
                    connection.disconnect()
            if not self._closed:
                time.sleep(pause)
                pause = min(2 * pause, MAX_RECONNECT_SECONDS)

    def _note_loss(self, error: Exception) -> None:
        if isinstance(error, RedisError):
            self._endpoint.invalidate(error)
        if str(error) != str(self._error):
            log.warning("lost the connection that listens to %s, connecting again: %s", self._endpoint.name, error)
        self._error = error

    def _listen(self, connection: Connection) -> None:
        with self._changed:
            self._pending.clear()
            channels = list(self._channels)
        if channels:
            connection.send_command("SUBSCRIBE", *channels)
        self._note_subscriptions(len(channels) == 0)
        asked = len(channels) > 0
        due = time.monotonic() + (self._tuning.answer_seconds if asked else self._tuning.check_seconds)
        with selectors.DefaultSelector() as selector:
            selector.register(self._inbox, selectors.EVENT_READ)
            selector.register(connection._sock, selectors.EVENT_READ)
            while not self._closed:
                ready = [key.fd for key, _ in selector.select(max(0.0, due - time.monotonic()))]
                if connection._sock.fileno() in ready:
                    self._read(connection)
                    asked, due = False, time.monotonic() + self._tuning.check_seconds
                elif time.monotonic() >= due:
                    if asked:
                        raise TimeoutError(f"it has not answered for {self._tuning.answer_seconds:g} s")
                    connection.send_command("PING", check_health=False)
                    asked, due = True, time.monotonic() + self._tuning.answer_seconds
                if self._inbox in ready:
                    os.read(self._inbox, 512)
                    if self._subscribe_pending(connection) and not asked:
                        asked, due = True, time.monotonic() + self._tuning.answer_seconds

    def _subscribe_pending(self, connection: Connection) -> bool:
        """Return whether there was something to ask for: a channel that was part of an earlier request is answered already, and never again."""
        has_asked = bool(self._pending)
        while self._pending:
            connection.send_command("SUBSCRIBE", self._pending.popleft(), check_health=False)
        return has_asked

    def _read(self, connection: Connection) -> None:
        """Take in all that has come, at least one reply."""
        while True:
            self._take_in(connection.read_response(disable_decoding=True))
            if not connection.can_read(timeout=0):
                return

    def _take_in(self, reply: object) -> None:
        if not isinstance(reply, list):
            return
        channel = reply[1].decode()
        if reply[0] == b"message":
            self._on_message(channel, reply[2])
        elif reply[0] == b"subscribe":
            with self._changed:
                self._subscribed.add(channel)
                self._changed.notify_all()
            self._note_subscriptions(self._subscribed.issuperset(self._channels))

    def _note_subscriptions(self, are_complete: bool) -> None:
        if are_complete:
            self._error = None
            if self._disconnected:
                self._disconnected = False
                self._on_reconnect()
