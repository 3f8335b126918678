"""`Local`: what a broker has in one process and shares with no child of it: its threads, and who waits there. Mutable shell."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fq.brokers.records import EnqueueOp
from fq.brokers.redis.async_batcher import PostOffice
from fq.brokers.redis.namespace import Server
from fq.brokers.redis.results import Results
from fq.brokers.redis.sender import Sender
from fq.brokers.redis.subscriber import Ear
from fq.brokers.redis.worker_turns import Turns
from fq.brokers.waiters import WorkSignal
from fq.errors import BrokerError, BrokerUnavailable
from fq.runtime.logger import logger
from fq.runtime.process_id import pid

log = logger("fq.redis")


class Local:
    """The parts of a broker that need to be new in a forked child, made anew when it is found to be one."""

    def __init__(self, server: Server, dead_ttl: int) -> None:
        self.pid = pid()
        self.sender = Sender(server)
        self.signal = WorkSignal()
        self.turns = Turns(server, self.signal, dead_ttl)
        self.results = Results(server, self.hears, self.listen)
        self._server = server
        self._lock = threading.Lock()
        self._ear: Ear | None = None
        self._post_office: PostOffice | None = None

    def hears(self, channel: str) -> bool:
        """Return whether *channel* is being heard."""
        return self._ear is not None and self._ear.hears(channel)

    def listen(self, channel: str, within: float | None = None) -> None:
        """Return once *channel* is heard, *within* so many seconds: those of the patience unless given. Raises `BrokerUnavailable` if it is not."""
        with self._lock:
            if self._ear is None:
                self._ear = Ear(self._server.line.place, self._on_news, self._on_return)
            ear = self._ear
        ear.hear(channel, self._server.line.patience if within is None else within)

    async def post(self, ops: Sequence[EnqueueOp]) -> None:
        """Send *ops*, together with what other coroutines send at the same time."""
        with self._lock:
            if self._post_office is None:
                self._post_office = PostOffice(self.sender.send)
            sent = self._post_office.post(ops)
        await sent

    def close(self) -> None:
        """End the threads."""
        with self._lock:
            ear, self._ear = self._ear, None
            office, self._post_office = self._post_office, None
        if office is not None:
            office.close()
        if ear is not None:
            ear.close()
        self.results.close()
        self.turns.disarm()

    def _on_news(self, channel: str, text: bytes) -> None:
        if channel == self.results.channel:
            with _going_on():
                self.results.heard(text)
        else:
            self.signal.wake(channel.removeprefix(self._server.keys.bell("")))

    def _on_return(self) -> None:
        """The ear was deaf for a while: whoever waits looks again."""
        self.turns.disarm()
        with _going_on():
            self.results.look_again()


@contextmanager
def _going_on() -> Iterator[None]:
    """
    Let the server refuse to say what a result is: whoever waits for that asks again.

    That it could not be asked is passed on to the ear, which connects anew, and looks for everything again then.
    """
    try:
        yield
    except BrokerUnavailable:
        raise
    except BrokerError as error:
        log.warning("could not look for a result: %s", error)
