"""`memory`, which lends an app a memory broker, and `drain`, which runs what waits there and fails with the first dead letter."""

from collections.abc import Iterator
from contextlib import contextmanager

from fq.app.app import App
from fq.brokers.clock import ManualClock
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import DeadLetter
from fq.errors import DecodeError
from fq.wire.codec import decode

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
    with app.using_broker(broker):
        yield broker


def drain(app: App) -> int:
    """
    Run all that waits, as `App.run_until_idle` does, and return how many messages ran.

    Raises:
        DeadLetterError: a message became a dead letter on the way; the first one, after all have run.
    """
    before = {(letter.message_id, letter.died_at) for letter in app.broker.dead_letters(limit=MANY)}
    count = app.run_until_idle()
    for letter in reversed(app.broker.dead_letters(limit=MANY)):
        if (letter.message_id, letter.died_at) not in before:
            raise DeadLetterError(letter)
    return count


def _called(letter: DeadLetter) -> str:
    try:
        return str(decode(letter.body))
    except DecodeError:
        return f"{letter.actor_name} {letter.message_id}"
