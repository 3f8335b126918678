"""`ProcessState`: the parts of a broker that live in one process and no child shares: threads, and what waits there. Mutable shell."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fq.brokers.async_batcher import AsyncBatcher
from fq.brokers.records import EnqueueOp
from fq.brokers.redis.namespace import Namespace
from fq.brokers.redis.results import ResultReader
from fq.brokers.redis.sender import Sender
from fq.brokers.redis.subscriber import Subscriber
from fq.brokers.redis.worker_turns import WorkerTurns
from fq.brokers.waiters import WorkSignal
from fq.errors import BrokerError, BrokerUnavailable
from fq.runtime.logger import logger
from fq.runtime.process_id import pid

log = logger("fq.redis")


class ProcessState:
    """The parts of a broker that a forked child must not share with its parent; the broker makes new ones there."""

    def __init__(self, namespace: Namespace, dead_ttl: int) -> None:
        self.pid = pid()
        self.sender = Sender(namespace)
        self.signal = WorkSignal()
        self.turns = WorkerTurns(namespace, self.signal, dead_ttl)
        self.results = ResultReader(namespace, self.is_subscribed, self.subscribe)
        self._namespace = namespace
        self._lock = threading.Lock()
        self._subscriber: Subscriber | None = None
        self._batcher: AsyncBatcher | None = None

    def is_subscribed(self, channel: str) -> bool:
        """Return whether what is published on *channel* arrives here."""
        return self._subscriber is not None and self._subscriber.is_subscribed(channel)

    def subscribe(self, channel: str, within: float | None = None) -> None:
        """
        Return once *channel* is subscribed to.

        Raises:
            BrokerUnavailable: it was not *within* that many seconds, those of the patience unless given.
        """
        with self._lock:
            if self._subscriber is None:
                self._subscriber = Subscriber(self._namespace.client.endpoint, self._on_message, self._on_reconnect, self._namespace.tuning)
            subscriber = self._subscriber
        subscriber.subscribe(channel, self._namespace.client.patience if within is None else within)

    async def post(self, ops: Sequence[EnqueueOp]) -> None:
        """Send *ops*, together with what other coroutines send at the same time."""
        with self._lock:
            if self._batcher is None:
                self._batcher = AsyncBatcher(self.sender.send, "fq-redis-async-batcher")
            sent = self._batcher.post(ops)
        await sent

    def close(self) -> None:
        """End the threads."""
        with self._lock:
            subscriber, self._subscriber = self._subscriber, None
            batcher, self._batcher = self._batcher, None
        if batcher is not None:
            batcher.close()
        if subscriber is not None:
            subscriber.close()
        self.results.close()
        self.turns.forget_registrations()

    def _on_message(self, channel: str, text: bytes) -> None:
        if channel == self.results.channel:
            with _refusals_logged():
                self.results.on_message(text)
        else:
            worker = channel.removeprefix(self._namespace.keys.wake_channel(""))
            if b"\0" in text:
                self._hand_over(worker, text)
            else:
                self._note_wake(worker, text.decode())
            self.signal.wake(worker)

    def _hand_over(self, worker: str, text: bytes) -> None:
        self.turns.handed.receive(worker, text)

    def _note_wake(self, worker: str, messages_key: str) -> None:
        """Note that there is something new for *worker* where the hash of messages is *messages_key*."""
        self.turns.registrations.note_wake(worker)

    def _on_reconnect(self) -> None:
        """Let all that wait look again: messages may have been missed."""
        self.turns.forget_registrations()
        with _refusals_logged():
            self.results.look_again()


@contextmanager
def _refusals_logged() -> Iterator[None]:
    """
    Log that the server refuses to say what a result is: its readers ask again.

    A server that is away ends the subscriber's connection: it connects anew, and then looks for everything again.
    """
    try:
        yield
    except BrokerUnavailable:
        raise
    except BrokerError as error:
        log.warning("could not look for a result: %s", error)
