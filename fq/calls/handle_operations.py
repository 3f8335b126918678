"""`HandleOperations`: what a handle does with the messages of its call: it cancels them, and gives them another time."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from fq.brokers.protocol import Broker
from fq.calls.reschedule import Timing, reschedule
from fq.core.duration import Duration, optional_ms
from fq.core.moment import epoch_ms
from fq.wire.signature import Signature


class Named(Protocol):
    """An actor, as a handle sees it."""

    @property
    def signature(self) -> Signature:
        """How its result is converted."""
        ...

    @property
    def emits(self) -> object:
        """See `Actor.emits`."""
        ...


class ResultSource(Protocol):
    """The app, as a handle sees it."""

    @property
    def broker(self) -> Broker:
        """The broker that keeps the results."""
        ...

    def get_actor(self, name: str) -> Named:
        """See `App.get_actor`."""
        ...


class HandleOperations:
    """The base of `Handle` with what changes messages."""

    __slots__ = ()

    app: ResultSource

    def message_ids(self) -> Iterator[str]:
        """Yield the ids of all messages of the call, pipeline or group, in the order of the steps, including messages that are not sent yet."""
        raise NotImplementedError

    def group_ids(self) -> Iterator[str]:
        """Yield the ids of all groups in the pipeline or group."""
        raise NotImplementedError

    def cancel(self) -> bool:
        """
        Cancel all messages of the call, pipeline or group. Return whether any of them was still waiting or running.

        A waiting message never starts, and neither does a step after it. A running async actor is cancelled. A running sync actor is interrupted if it
        is `cancellable`; otherwise it finishes, and the steps after it do not start.
        """
        return self.app.broker.cancel_all(tuple(self.message_ids()), tuple(self.group_ids())) > 0

    async def acancel(self) -> bool:
        """`cancel`, for async callers."""
        return await asyncio.to_thread(self.cancel)

    def reschedule(self, *, delay: Duration | None = None, at: datetime | None = None, priority: int | None = None) -> bool:
        """
        Give the messages that wait another time or priority. Return whether any waited; one that runs or has ended stays as it is.

        A message that waits for a retry is a waiting one, too. One that waits for its unique key goes on waiting for that.

        Args:
            delay: how long they wait from now on, ms or timedelta.

            at: when they are ready, a datetime with a time zone. In the past it means now.

            priority: the new priority; lower runs sooner.

        Raises:
            OptionError: nothing to change, both *delay* and *at*, or a value that is neither.
        """
        timing = Timing(optional_ms(delay), None if at is None else epoch_ms(at), priority)
        return sum(reschedule(self.app.broker, message_id, timing) for message_id in self.message_ids()) > 0

    async def areschedule(self, *, delay: Duration | None = None, at: datetime | None = None, priority: int | None = None) -> bool:
        """`reschedule`, for async callers."""
        return await asyncio.to_thread(self.reschedule, delay=delay, at=at, priority=priority)

    def run_now(self) -> bool:
        """Make the messages that wait ready at once: those with a delay, and those that wait for a retry. Return whether any waited."""
        return self.app.broker.run_now(tuple(self.message_ids())) > 0

    async def arun_now(self) -> bool:
        """`run_now`, for async callers."""
        return await asyncio.to_thread(self.run_now)
