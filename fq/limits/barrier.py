"""`Barrier`: several parties wait for each other."""

import asyncio
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress

from attrs import field, frozen

from fq.brokers.limits.policy import positive_duration
from fq.core.duration import Duration, optional_ms
from fq.errors import FqError, OptionError
from fq.layers.current_message import get_current_message
from fq.limits.backend import limiter_backend
from fq.limits.limiters import valid_key
from fq.limits.limits import Limits


class BarrierNotFound(FqError, LookupError):
    """There is no such barrier: it was not created, or has expired."""


@frozen
class Barrier:
    """
    Parties that come to a barrier wait until all have come.

    >>> barrier = Barrier("memory://", "import")
    >>> barrier.create(2), barrier.create(10)
    (True, False)
    >>> barrier.wait(block=False), barrier.wait(block=False)
    (False, True)

    Attributes:
        backend: an app, a broker or its URL.

        key: the name of the barrier.

        ttl: how long it stays after the latest arrival, ms or timedelta. Default 15 minutes.
    """

    backend: Limits = field(converter=limiter_backend, eq=False, repr=False)
    key: str = field(validator=valid_key)
    ttl: int = field(default=900_000, kw_only=True, converter=positive_duration)

    def create(self, parties: int) -> bool:
        """
        Create the barrier for *parties*. If one exists under this key, change nothing and return False.

        Raises:
            OptionError: *parties* is not a whole number from 1.
        """
        if type(parties) is not int or parties < 1:
            raise OptionError(f"parties: found {parties!r}, expected a whole number from 1")
        return self.backend.store.create(self._name, parties, self.ttl)

    def wait(self, *, block: bool = True, timeout: Duration | None = None, party: str | None = None) -> bool:
        """
        Come to the barrier, and return whether all have come: once the last one has, or at once without *block*.

        *timeout* is in ms or a timedelta; by default it is the barrier's ttl. A *party* counts once, however often it comes. By default it is the
        message inside an actor, so that another delivery of the message adds nothing; elsewhere every call is a party of its own.

        Raises:
            BarrierNotFound: there is no such barrier.
        """
        open_ = self._arrive(_party(party))
        return open_ or (block and self._wait(timeout))

    async def await_(self, *, block: bool = True, timeout: Duration | None = None, party: str | None = None) -> bool:
        """`wait` for coroutines; each call that blocks has a thread of its own."""
        open_ = await asyncio.to_thread(self._arrive, _party(party))
        return open_ or (block and await _in_own_thread(lambda: self._wait(timeout)))

    @property
    def _name(self) -> str:
        return f"barrier:{self.key}"

    def _arrive(self, party: str) -> bool:
        missing = self.backend.store.arrive(self._name, party, self.ttl)
        if missing is None:
            raise BarrierNotFound(f"found no barrier {self.key!r}, expected one: create it before parties wait, with a long enough ttl")
        return missing == 0

    def _wait(self, timeout: Duration | None) -> bool:
        milliseconds = optional_ms(timeout)
        return self.backend.store.wait(self._name, (self.ttl if milliseconds is None else milliseconds) / 1_000)


def _party(given: str | None) -> str:
    message = get_current_message()
    return given or (message.message_id if message else secrets.token_hex(8))


async def _in_own_thread(work: Callable[[], bool]) -> bool:
    """Return what *work* returns, from a thread of its own: it may take long, and a loop has few threads for short calls."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bool] = loop.create_future()

    def settle(result: bool | BaseException) -> None:
        if not done.done():
            done.set_exception(result) if isinstance(result, BaseException) else done.set_result(result)

    def run() -> None:
        result: bool | BaseException
        try:
            result = work()
        except BaseException as error:
            result = error
        with suppress(RuntimeError):  # the loop is closed: it has no waiters any more
            loop.call_soon_threadsafe(settle, result)

    threading.Thread(target=run, name="fq-barrier", daemon=True).start()
    return await done
