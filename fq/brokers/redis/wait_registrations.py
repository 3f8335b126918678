"""`WaitRegistrations`: which workers of this process a server has registered as waiting, and which it has woken since. Mutable shell."""

import time

from attrs import frozen


@frozen
class WaitRegistration:
    """
    A worker is registered as waiting for *queues*; by *deadline*, in seconds of `time.monotonic`, something falls due.

    It had been woken *wakes* times before it asked to be registered.
    """

    queues: tuple[str, ...]
    deadline: float
    wakes: int

    @property
    def ms_left(self) -> int:
        """For how many ms nothing falls due."""
        return max(0, int((self.deadline - time.monotonic()) * 1_000))


class WaitRegistrations:
    """The registrations by worker. Any thread may call `note_wake`; the others are of the threads of the workers."""

    def __init__(self) -> None:
        self._found: dict[str, WaitRegistration] = {}
        self._wakes: dict[str, int] = {}
        self._wakes_of_all = 0

    def __contains__(self, worker: str) -> bool:
        return worker in self._found

    def wakes_of(self, worker: str) -> int:
        """Return how often *worker* has been woken. Ask before a call that may register it: a wake-up may overtake the reply."""
        return self._wakes.get(worker, 0) + self._wakes_of_all

    def note_wake(self, worker: str) -> None:
        """Note that *worker* has been woken, since there is something new for it."""
        self._wakes[worker] = self._wakes.get(worker, 0) + 1

    def add(self, worker: str, queues: tuple[str, ...], idle_ms: int, wakes: int) -> WaitRegistration:
        """Note that *worker* is registered, for *idle_ms* at most; *wakes* is from before the call that registered it."""
        found = self._found[worker] = WaitRegistration(queues, time.monotonic() + idle_ms / 1_000, wakes)
        return found

    def drop(self, worker: str) -> WaitRegistration | None:
        """Forget the registration of *worker*, and return it."""
        return self._found.pop(worker, None)

    def drop_all(self) -> list[str]:
        """Forget all registrations, also those that calls under way ask for; return whose they were."""
        self._wakes_of_all += 1
        workers, self._found = list(self._found), {}
        return workers

    def of(self, worker: str, queues: tuple[str, ...]) -> WaitRegistration | None:
        """Return the registration of *worker*, if it is for *queues*."""
        found = self._found.get(worker)
        return found if found is not None and found.queues == queues else None

    def ms_of_quiet(self, worker: str, queues: tuple[str, ...]) -> int:
        """For how many ms will there be nothing new in *queues* for *worker*: it waits for them, and has not been woken since. 0 if there may be some."""
        found = self.of(worker, queues)
        return found.ms_left if found is not None and found.wakes == self.wakes_of(worker) else 0
