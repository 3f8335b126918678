"""`SingleFlight`: one blocking call, in a thread, for all coroutines that want its result at the same time. Mutable shell."""

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from fq.brokers.result_lookup import Promise, resolve_all
from fq.runtime.process_id import pid

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Awaits *call* without blocking an event loop. Callers that come while a call is under way share what it returns or raises."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._lock = threading.Lock()
        self._waiting: list[Promise[T]] | None = None
        self._pid = pid()

    async def result(self) -> T:
        """Return what the call returns."""
        here: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._pid != pid():
            self._pid, self._lock, self._waiting = pid(), threading.Lock(), None  # the parent's thread does not exist in this process
        with self._lock:
            if self._waiting is None:
                threading.Thread(target=self._run, name="fq-together", daemon=True).start()
                self._waiting = []
            self._waiting.append(here)
        return await here

    def _run(self) -> None:
        result: T | BaseException
        try:
            result = self._call()
        except BaseException as error:  # any exception: waiters would wait for ever otherwise
            result = error
        with self._lock:
            waiting, self._waiting = self._waiting or [], None
        resolve_all(waiting, result)
