"""
The events that layers observe: the closed union `Event`.

fq calls `on_event` of every layer that overrides it. An event changes nothing: if a layer raises, that is logged, and the work goes on. Events before
something happens (`ANNOUNCING`: their names end in "ing", and `Delayed`) go from the outermost layer inwards, all others from the innermost outwards.

=================  =====================================================  ==============================================
event              emitted when                                           where
=================  =====================================================  ==============================================
ActorDeclaring     an actor is about to be declared                       the thread that declares it
ActorDeclared      an actor was declared                                  the thread that declares it
QueueDeclaring     a queue is about to be named for the first time        the thread that declares it
QueueDeclared      a queue was named for the first time                   the thread that declares it
Enqueued           a message is on its queue (sent, or a follow-up)       the sender's thread; the dispatcher's for follow-ups
Delayed            as above, and it has to wait first                     as above, before `Enqueued`
SendFailed         a message could not be put on its queue                the sender's thread
Claimed            a worker has claimed a message                         the dispatcher's thread
Started            the actor's chain is about to run                      the thread or event loop that runs it
Committing         its outcome is about to be committed                   the thread or event loop that ran it
Committed          its outcome was committed, or came too late (*stale*)  the dispatcher's thread
Released           it was claimed, and is handed back without outcome     the dispatcher's thread
ProcessBooted      a worker process has imported the application          its main thread
WorkerBooting      a worker is about to start its threads                 its main thread
WorkerBooted       the threads run                                        its main thread
WorkerStopping     a worker is about to stop                              its main thread
WorkerStopped      all threads have ended                                 its main thread
ThreadBooted       a worker thread has started                            that thread
ThreadStopping     a worker thread is about to end                        that thread
Operated           a person has changed something by ``fq web``, or has   a thread of the web server,
                   ordered a worker by ``fq workers``                     the main thread
=================  =====================================================  ==============================================
"""

from typing import TypeAlias

from attrs import frozen

from fq.core.message import Message
from fq.core.outcome import Outcome


@frozen
class ActorDeclaring:
    """An actor is about to be declared."""

    actor_name: str
    queue_name: str


@frozen
class ActorDeclared:
    """An actor was declared."""

    actor_name: str
    queue_name: str


@frozen
class QueueDeclaring:
    """A queue is about to be named for the first time."""

    queue_name: str


@frozen
class QueueDeclared:
    """A queue was named for the first time."""

    queue_name: str


@frozen
class Enqueued:
    """A message is on its queue, and will be ready in *delay* ms."""

    message: Message
    delay: int


@frozen
class Delayed:
    """A message has to wait *delay* ms before it is ready."""

    message: Message
    delay: int


@frozen
class SendFailed:
    """A message could not be put on its queue, as far as is known: the broker raised *error*, and so does the send."""

    message: Message
    delay: int
    error: BaseException


@frozen
class Claimed:
    """A worker has claimed a message."""

    message: Message


@frozen
class Started:
    """The chain of a message's actor is about to run."""

    message: Message


@frozen
class Committing:
    """The outcome of a message is about to be committed."""

    message: Message
    outcome: Outcome


@frozen
class Committed:
    """The outcome of a message was committed; or, if *stale*, discarded, since this worker no longer held the claim."""

    message: Message
    outcome: Outcome
    stale: bool = False


@frozen
class Released:
    """A message that was claimed is handed back to its queue without an outcome: the worker stops, or its process was cut short."""

    message: Message


@frozen
class ProcessBooted:
    """A worker process has imported the application."""


@frozen
class WorkerBooting:
    """A worker is about to start its threads."""

    worker: str


@frozen
class WorkerBooted:
    """A worker's threads run."""

    worker: str


@frozen
class WorkerStopping:
    """A worker is about to stop."""

    worker: str


@frozen
class WorkerStopped:
    """All threads of a worker have ended."""

    worker: str


@frozen
class ThreadBooted:
    """
    A worker thread has started.

    *role* is ``"worker"`` (it runs sync actors), ``"loop"`` (it runs async actors) or ``"pump"`` (it talks to the broker).
    """

    name: str
    role: str = "worker"


@frozen
class ThreadStopping:
    """A worker thread is about to end. *role*: as in `ThreadBooted`."""

    name: str
    role: str = "worker"


@frozen
class Operated:
    """
    A person, *who*, has done *what* to the things called *names*: messages, queues, schedules or workers.

    *what* is the name of an action of ``fq web``; ``fq workers`` has some of them, too:
    ``"requeue"``, ``"cancel"``, ``"discard"``, ``"run_now"``, ``"edit"``, ``"pause"``, ``"purge"`` ...
    """

    who: str
    what: str
    names: tuple[str, ...]


Event: TypeAlias = (
    ActorDeclaring
    | ActorDeclared
    | QueueDeclaring
    | QueueDeclared
    | Enqueued
    | Delayed
    | SendFailed
    | Claimed
    | Started
    | Committing
    | Committed
    | Released
    | ProcessBooted
    | WorkerBooting
    | WorkerBooted
    | WorkerStopping
    | WorkerStopped
    | ThreadBooted
    | ThreadStopping
    | Operated
)

ANNOUNCING: frozenset[type] = frozenset(
    (ActorDeclaring, QueueDeclaring, Delayed, Committing, WorkerBooting, WorkerStopping, ThreadStopping)
)
"""The events that are emitted before something happens."""
