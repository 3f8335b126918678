"""`memory`, which gives an app a memory broker for a while, and `drain`, which runs its messages and raises the first dead letter."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from fq.app.app import App
from fq.brokers.clock import ManualClock
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import DeadLetter
from fq.core.duration import Duration
from fq.errors import DecodeError
from fq.wire.codec import decode

MAX_DEAD_LETTERS = 1_000_000
"""Larger than the number of dead letters of any test."""


class DeadLetterError(AssertionError):
    """A message became a dead letter. The text has its traceback; *letter* is the dead letter in the broker."""

    def __init__(self, letter: DeadLetter) -> None:
        fault = letter.fault
        super().__init__(f"{_called(letter)} is a dead letter: {fault.type}: {fault.message}\n\n{fault.traceback}".rstrip())
        self.letter = letter


@contextmanager
def memory(app: App, *, clock: ManualClock | None = None) -> Iterator[MemoryBroker]:
    """
    Replace the broker of *app* by one in memory, until the context ends. Its clock moves only when you move it.

    The actors, handles and workers of the app use the memory broker, and its clock dates messages. The app's own broker is not used.

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
    with app.using_broker(broker):
        yield broker


def drain(app: App, *, until: Duration | datetime | None = None) -> int:
    """
    Run all waiting messages, as `App.run_until_idle` does, and return how many ran. With *until*, schedules fire, too, up to that time.

    Raises:
        DeadLetterError: a message became a dead letter; raised for the first one, after all have run.
    """
    before = {(letter.message_id, letter.died_at) for letter in app.broker.dead_letters(limit=MAX_DEAD_LETTERS)}
    count = app.run_until_idle(until=until)
    for letter in reversed(app.broker.dead_letters(limit=MAX_DEAD_LETTERS)):
        if (letter.message_id, letter.died_at) not in before:
            raise DeadLetterError(letter)
    return count


def _called(letter: DeadLetter) -> str:
    try:
        return str(decode(letter.body))
    except DecodeError:
        return f"{letter.actor_name} {letter.message_id}"
