"""`MessageSource`: a place outside of the broker that an app's messages come from, such as an outbox."""

from collections.abc import Callable
from typing import Protocol

from attrs import frozen

from fq.brokers.protocol import Broker
from fq.core.outcome import Enqueue


class Mover(Protocol):
    """Moves messages from there to the broker."""

    def start(self) -> None:
        """Move messages as they come, in a thread."""

    def stop(self) -> None:
        """Let the thread begin nothing new."""

    def join(self) -> None:
        """Wait a moment for its end."""

    def move_all(self) -> int:
        """Move all that is there, in this thread, and return how much that was."""
        ...


@frozen
class SourceState:
    """How many entries wait there, how long the oldest has waited, ms, and how many were put aside, with one of their errors."""

    waiting: int = 0
    oldest_age: int = 0
    failed: int = 0
    error: str = ""


class MessageSource(Protocol):
    """A place that messages come from. A worker runs one `Mover` of it."""

    def state(self) -> SourceState:
        """Return what waits there."""
        ...

    def relay(self, broker: Broker, on_enqueued: Callable[[Enqueue], None]) -> Mover:
        """Return what moves messages to *broker*, and calls *on_enqueued* with each."""
        ...
