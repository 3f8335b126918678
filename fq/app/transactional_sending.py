"""`TransactionalSending`: the part of an `App` that sends in the transaction of a user's database, by an outbox or to the broker in it."""

import time
from typing import Protocol, TypeVar, cast

from fq.brokers.protocol import Broker, TransactionalEnqueue
from fq.calls.call import Call
from fq.calls.handle import Handle
from fq.core.outcome import Enqueue
from fq.errors import ConfigError
from fq.execution.registry import Registry
from fq.middleware.send_call import SendCall, send_call
from fq.outbox import Outbox, broker_rows
from fq.runtime.actor_run import ActorRun, current_run

R = TypeVar("R")


class Sender(Protocol):
    """What `TransactionalSending` needs of the app."""

    @property
    def registry(self) -> Registry:
        """What the app declares."""
        ...

    @property
    def broker(self) -> Broker:
        """The broker of the app."""
        ...

    @property
    def outbox(self) -> Outbox:
        """See `TransactionalSending.outbox`."""
        ...

    @property
    def _own_broker(self) -> TransactionalEnqueue | None:
        """See `TransactionalSending._own_broker`."""
        ...

    def build_messages(
        self, call: Call[R], now: int, run: ActorRun | None, message_id: str = "", observed: SendCall | None = None
    ) -> tuple[str, tuple[Enqueue, ...]]:
        """Return the id of *call* and the messages that start it."""
        ...

    def handle_of(self, call: Call[R], message_id: str) -> Handle[R]:
        """See `App.handle_of`."""
        ...

    def send_on_as(self, call: Call[R], on: object, message_id: str) -> tuple[str, tuple[Enqueue, ...]]:
        """See `TransactionalSending.send_on_as`."""
        ...


class HasBroker(Protocol):
    """What `TransactionalSending._own_broker` needs of the app."""

    _outbox: Outbox | None

    @property
    def broker(self) -> Broker:
        """The broker of the app."""
        ...


class TransactionalSending:
    """Sends by the outbox."""

    _outbox: Outbox | None = None

    @property
    def outbox(self) -> Outbox:
        """
        The outbox of the app.

        Raises:
            ConfigError: it has none.
        """
        if self._outbox is None:
            raise ConfigError("found send(on=...) or app.outbox in an app without an outbox, expected App(..., outbox=Outbox(database))")
        return self._outbox

    @property
    def _own_broker(self: "HasBroker") -> TransactionalEnqueue | None:
        """The broker, if the app has no outbox, and messages can be sent to it in the transaction of a user's connection."""
        return self.broker if self._outbox is None and isinstance(self.broker, TransactionalEnqueue) else None

    def send_on(self: Sender, call: Call[R], on: object) -> Handle[R]:
        """Send *call* if the transaction of *on* commits: ``call.send(on=connection)`` calls this."""
        message_id, _ = self.send_on_as(call, on, "")
        return cast("Handle[R]", self.handle_of(call, message_id))

    def send_on_as(self: Sender, call: Call[R], on: object, message_id: str) -> tuple[str, tuple[Enqueue, ...]]:
        """`send_on` under *message_id*, or a fresh one if it is empty. Return the id, and the messages that start *call*."""
        own, now = self._own_broker, time.time_ns() // 1_000_000
        outbox = self.outbox if own is None else None
        with send_call() as observed:
            found, enqueues = self.build_messages(call, now, current_run(), message_id, observed)
            if outbox is not None:
                outbox.write(on, enqueues, now)
            elif own is not None:
                broker_rows.write(own, on, enqueues)
        return found, enqueues

    async def asend_on(self: Sender, call: Call[R], on: object) -> Handle[R]:
        """`send_on`, for async code."""
        own, now = self._own_broker, time.time_ns() // 1_000_000
        outbox = self.outbox if own is None else None
        with send_call() as observed:
            message_id, enqueues = self.build_messages(call, now, current_run(), observed=observed)
            if outbox is not None:
                await outbox.awrite(on, enqueues, now)
            elif own is not None:
                await broker_rows.awrite(own, on, enqueues)
        return cast("Handle[R]", self.handle_of(call, message_id))
