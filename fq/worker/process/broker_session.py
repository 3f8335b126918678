"""`BrokerSession`: a worker's calls of its broker, all from the dispatcher's thread except `wake`. Mutable shell."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic

from fq.brokers.protocol import Broker
from fq.brokers.records import ClaimRequest, Commit, Turn
from fq.errors import FqError


class BrokerSession:
    """
    The calls of the worker *name*, whose lease runs for *lease* ms.

    Attributes:
        idle_for: for how many ms the broker has nothing to do for this worker, as it said last.

        registered: may the broker believe that this worker waits for messages? A turn that wants none says that it does not.
    """

    def __init__(self, broker: Broker, name: str, lease: int) -> None:
        self.name = name
        self.idle_for = 1_000
        self.registered = False
        self._broker = broker
        self._lease = lease
        self._in_call = False
        self._listening = False  # in `Broker.wait`, which only `Broker.wake` ends
        self._last_turn = self._last_step = monotonic()

    def turn(self, commits: Sequence[Commit], queues: tuple[str, ...], limit: int = 0) -> Turn:
        """Commit *commits*, and claim up to *limit* messages from *queues*."""
        self._in_call, now = True, monotonic()
        try:
            turn = self._broker.turn(commits, ClaimRequest(self.name, queues, limit, self._lease))
        finally:
            self.step()
        self.registered = len(turn.deliveries) < limit
        self.idle_for, self._last_turn = turn.idle_for, now
        return turn

    def wait(self, queues: tuple[str, ...], timeout: int, unless: Callable[[], bool]) -> None:
        """Wait up to *timeout* ms for work in *queues*, or for `wake`; not at all if *unless* returns True, which is called once `wake` has an effect."""
        self._listening = self.registered = self._in_call = True
        try:
            if timeout > 0 and not unless():
                self._broker.wait(ClaimRequest(self.name, queues, 1, self._lease), timeout)
        finally:
            self._listening = False
            self.step()

    def wake(self) -> None:
        """End the `wait` that this worker is in, if any. For other threads."""
        if self._listening:
            self._listening = False
            self._broker.wake()

    @contextmanager
    def calling(self) -> Iterator[Broker]:
        """Yield the broker, for other calls."""
        self._in_call = True
        try:
            yield self._broker
        finally:
            self.step()

    def sign_off(self) -> None:
        """Tell the broker that this worker has ended and holds nothing; if that fails, its lease runs out."""
        with suppress(FqError):
            self._broker.release(self.name, {}, ())

    def step(self) -> None:
        """Note that the dispatcher is alive, outside of a call."""
        self._in_call, self._last_step = False, monotonic()

    @property
    def seconds_since_turn(self) -> float:
        """How long ago the last turn began."""
        return monotonic() - self._last_turn

    @property
    def seconds_since_step(self) -> float:
        """How long ago the dispatcher has shown that it is alive; 0 inside a call, since brokers bound their calls."""
        return 0.0 if self._in_call else monotonic() - self._last_step
