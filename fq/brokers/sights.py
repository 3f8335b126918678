"""What a broker shows of its queues, workers and messages: immutable records. ``fq.brokers.records`` has the rest, and gives these names, too."""

from collections.abc import Iterable

from attrs import field, frozen

from fq.core.fault import Fault
from fq.core.progress import Progress

COUNT_ALL = 2**53
"""Count the messages of a queue to the end, however many there are."""

MOST_COUNTED = 10_000
"""How far pages and commands count: a broker in an SQL database counts one by one, and a page must not take longer because more messages wait."""


@frozen
class QueueStats:
    """
    One queue: how many messages are *ready*, *delayed*, *in_flight* and *dead*; *oldest* is how long the oldest ready one has waited, ms.

    *at_least* names those of the four that were not counted to the end, because the caller of `Broker.queues` has set a bound: there are more.
    """

    queue_name: str
    ready: int = 0
    delayed: int = 0
    in_flight: int = 0
    dead: int = 0
    oldest: int = 0
    paused: bool = False
    at_least: tuple[str, ...] = ()

    def shown(self, name: str) -> str:
        """
        Return the count *name* as text, with a ``+`` if there are more.

        >>> QueueStats("mail", ready=10_000, at_least=("ready",)).shown("ready"), QueueStats("mail", dead=7).shown("dead")
        ('10000+', '7')
        """
        return f"{getattr(self, name)}{'+' if name in self.at_least else ''}"


def has_more(queues: Iterable[QueueStats], *names: str) -> bool:
    """Does any of *queues* have more than one of its counts *names* says?"""
    return any(name in queue.at_least for queue in queues for name in names)


@frozen
class Status:
    """
    Where a message is.

    *state* is ``"ready"``, ``"delayed"``, ``"running"``, ``"dead"``, ``"done"`` (a result or a record is kept, or a result was until lately) or
    ``"unknown"``. The id of a group has a state from its first arrival on: ``"waiting"``, while *arrived* of its members have ended, then ``"done"``.
    *due* is when a delayed message will be ready, ms since the epoch on the broker's clock; *fault* is the latest error. *progress* is what a running actor
    has told; `Handle.status` adds it. *token* is that of the claim by which a message runs, 0 if it does not: no other claim of the message has it.
    """

    message_id: str
    state: str
    queue_name: str = ""
    actor_name: str = ""
    deliveries: int = 0
    due: int = 0
    worker: str = ""
    fault: Fault | None = None
    arrived: int = 0
    progress: Progress | None = None
    token: int = 0


@frozen
class DeadLetter:
    """A message that failed and is not retried: *body* as it was sent, and *died_at*, ms since the epoch on the broker's clock."""

    message_id: str
    queue_name: str
    actor_name: str
    body: bytes = field(repr=False)
    fault: Fault
    died_at: int


@frozen
class DeadKind:
    """
    The dead letters of one queue and actor that died of one type of *error*.

    *first* and *last* are when the first and the latest of them died, ms since the epoch on the broker's clock; *message* is the text of the latest error.
    *count* is how many there are, or, if *is_at_least*, how many were counted: there are more.
    """

    queue_name: str
    actor_name: str
    error: str
    count: int
    first: int
    last: int
    message: str = ""
    is_at_least: bool = False


@frozen
class DeadKinds:
    """The *kinds* of dead letters, in no order. Are these all? If not *is_complete*, there may be others among older letters."""

    kinds: tuple[DeadKind, ...] = ()
    is_complete: bool = True


@frozen
class WorkerStats:
    """
    A worker process with a lease: *lease_left* in ms, and how many messages it holds.

    *queues* are those that it has asked for during its lease, by name; empty if the broker does not know them.
    """

    worker: str
    lease_left: int
    in_flight: int
    queues: tuple[str, ...] = ()


@frozen
class ClaimedMessage:
    """A message that a worker holds; it was claimed at *since*, ms since the epoch on the broker's clock."""

    message_id: str
    queue_name: str
    actor_name: str
    worker: str
    since: int
