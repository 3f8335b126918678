"""The records of the model, and the small changes that its calls share."""

from collections.abc import Mapping

from attrs import evolve, field, frozen

from fq.brokers.records import DeferredEnqueue, EnqueueOp, Mark, UniqueKey
from fq.core.fault import Fault

NEVER = 10**18


@frozen
class Message:
    """
    A message that waits, or runs if a worker holds it. It was claimed at *since*.

    It holds the key *unique*, or waits for that key if it is put *aside*; once it has freed the key, it has none.

    If a call has *hastened* it, it has arrived with that call, in any place among what else became ready with it.
    """

    op: EnqueueOp
    due: int
    number: int
    token: int = 0
    worker: str = ""
    since: int = 0
    deliveries: int = 0
    interrupted: str = ""
    fault: Fault | None = None
    cancelled: bool = False
    unique: UniqueKey | None = None
    aside: bool = False
    hastened: bool = False

    @property
    def runs(self) -> bool:
        return self.worker != ""

    def at_once(self, now: int) -> "Message":
        """The message as it waits no longer for its time."""
        return evolve(self, due=now, hastened=True) if self.due > now else self

    @property
    def has_begun(self) -> bool:
        return self.runs or self.deliveries > 0 or self.fault is not None

    def back(self, interrupted: str = "", counted: bool = True) -> "Message":
        """The message as it waits again, in its old place."""
        return evolve(self, token=0, worker="", interrupted=interrupted, deliveries=self.deliveries - (not counted))


@frozen
class Letter:
    """A dead message, and when it died."""

    op: EnqueueOp
    fault: Fault
    died_at: int


@frozen
class Group:
    values: Mapping[int, bytes] = {}
    then: tuple[DeferredEnqueue, ...] = ()
    complete: bool = False
    until: int = 0
    cancelled: bool = False


@frozen
class Key:
    """Which message took a unique key last, and when; the key is not free before *until*."""

    message_id: str
    since: int
    until: int


@frozen
class Model:
    """All that a broker knows. *dead* has the latest last."""

    now: int
    messages: Mapping[str, Message] = {}
    keys: Mapping[str, Key] = {}
    dead: tuple[Letter, ...] = ()
    results: Mapping[str, tuple[bytes, int]] = {}
    waiting: Mapping[
        tuple[str, str], tuple[int, int]
    ] = {}  # by group and message id: how long the result is kept from the group's end; until when
    groups: Mapping[str, Group] = {}
    marks: Mapping[str, Mark] = {}
    counters: Mapping[tuple[str, str], int] = {}  # by bucket and name
    leases: Mapping[str, int] = {}
    wanted: Mapping[str, frozenset[str]] = {}
    queues: frozenset[str] = frozenset()
    paused: frozenset[str] = frozenset()
    count: int = 0
    dead_ttl: int = field(default=7 * 24 * 60 * 60 * 1000)


def advance(model: Model, ms: int) -> Model:
    return evolve(model, now=model.now + ms)


def with_message(model: Model, message: Message) -> Model:
    """A message that is cancelled does not wait for its time."""
    message = message.at_once(model.now) if message.cancelled and not message.runs else message
    messages = {**model.messages, message.op.message_id: message}
    return evolve(model, messages=messages, queues=model.queues | {message.op.queue_name})


def without_letter(model: Model, message_id: str) -> Model:
    return evolve(model, dead=tuple(letter for letter in model.dead if letter.op.message_id != message_id))


def group_of(model: Model, name: str) -> Group:
    """What is remembered of a group."""
    group = model.groups.get(name, Group())
    return group if group.until > model.now else Group()
