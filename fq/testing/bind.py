"""`memory`, which lends an app a memory broker, and `drain`, which runs what waits there and fails with the first dead letter."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, MethodType

from attrs import frozen

from fq.app import App
from fq.brokers.base import Broker
from fq.brokers.clock import ManualClock
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import DeadLetter
from fq.codec import decode
from fq.errors import DecodeError
from fq.ids import fresh_id

MANY = 1_000_000
"""More dead letters than a test makes."""


class DeadLetterError(AssertionError):
    """A message became a dead letter; the text has its traceback, *letter* is all that the broker keeps of it."""

    def __init__(self, letter: DeadLetter) -> None:
        fault = letter.fault
        super().__init__(f"{_called(letter)} is a dead letter: {fault.type}: {fault.message}\n\n{fault.traceback}".rstrip())
        self.letter = letter


@contextmanager
def memory(app: App, *, clock: ManualClock | None = None) -> Iterator[MemoryBroker]:
    """
    Lend *app* a broker in memory, whose clock stands still unless it is moved, and give it its own broker back at the end.

    Its actors, handles and workers use the lent broker meanwhile, and messages are dated by its clock. The app's own broker is not touched.

    >>> app = App("redis://nowhere.example")
    >>> @app.actor
    ... def double(n: int) -> int:
    ...     return 2 * n
    >>> with memory(app) as broker:
    ...     handle = double.call(21).delay(60_000).send()
    ...     broker.advance(59_999)
    ...     print(handle.status().state)
    ...     drain(app)
    ...     handle.get_result()
    delayed
    1
    42
    """
    broker = MemoryBroker(clock=clock or ManualClock())
    with lent(app, broker):
        yield broker


def drain(app: App) -> int:
    """
    Run all that waits, as `App.run_until_idle` does, and return how many messages ran.

    Raises:
        DeadLetterError: a message became a dead letter on the way; the first one, after all have run.
    """
    before = {(letter.message_id, letter.died_at) for letter in app.broker.dead(limit=MANY)}
    count = app.run_until_idle()
    for letter in reversed(app.broker.dead(limit=MANY)):
        if (letter.message_id, letter.died_at) not in before:
            raise DeadLetterError(letter)
    return count


@contextmanager
def lent(app: App, broker: Broker, ids: Callable[[int], str] = fresh_id) -> Iterator[None]:
    """Let *app* use *broker*, the clock of *broker*, and the message ids that *ids* makes of the time, for as long as the context lasts."""
    own, own_fresh = app._broker, vars(app).get("_fresh")
    app._broker = broker
    vars(app)["_fresh"] = MethodType(_fresh_by(_Time(broker), ids), app)
    try:
        yield
    finally:
        app._broker = own
        del vars(app)["_fresh"]
        if own_fresh is not None:  # lent already
            vars(app)["_fresh"] = own_fresh


@frozen
class _Time:
    """What an app needs of the module `time`, by the clock of *broker*."""

    broker: Broker

    def time_ns(self) -> int:
        """Return the time, ns since the epoch."""
        return self.broker.now() * 1_000_000


def _fresh_by(time: _Time, ids: Callable[[int], str]) -> FunctionType:
    """Return `App._fresh`, which makes new messages, as it would be if the globals of its module had this clock, and these ids."""
    fresh = App._fresh
    return FunctionType(fresh.__code__, {**fresh.__globals__, "time": time, "fresh_id": ids}, closure=fresh.__closure__)


def _called(letter: DeadLetter) -> str:
    try:
        return str(decode(letter.body))
    except DecodeError:
        return f"{letter.actor_name} {letter.message_id}"
