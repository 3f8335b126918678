"""
The decisions of limiters, as pure functions of the state of a key. All times are ms.

A key has a number of slots. Each grant takes one, until the slot is given back or its time ends; the three kinds of limit differ only in when that is.
An owner that is refused is told when to come back, and may keep a place in a line, which has the order of ready messages: priority, then arrival. So not
all owners come back at once, and only more urgent ones overtake.

Two stores use these decisions: ``fq.brokers.limits.local_store`` calls them, and on Redis ``lua/limits/take.lua`` repeats them. One test suite compares
their answers.
"""

from typing import TypeAlias

from attrs import Attribute, field, frozen

from fq.core.duration import Duration, to_ms
from fq.errors import OptionError

NO_SHOW_MS = 5_000
"""An owner that comes back this much too late loses its place in the line."""

INITIAL_HOLD_MS = 10
"""The estimate of how long a slot is held, while no slot has been given back, and none has been held for longer."""

ESTIMATE_RESOLUTION = 16
"""The estimate is taken to be right to one part in this many: returns within that part of it count as about to happen."""

SHORT_WAIT_MS, SLEEP_DIVISOR = 2_000, 3
"""A wait above the first, if it is an estimate, is slept to one part in the second; and no longer than the key has been known."""

HELD_SLOT_RECHECK_MS = 1_000
"""The longest time between two looks at a slot that is held for longer than estimated."""


def positive_int(_: object, attribute: "Attribute[int]", found: object) -> None:
    """Raise `OptionError` unless *found* is a whole number from 1."""
    if type(found) is not int or found < 1:
        raise OptionError(f"{attribute.name}: found {found!r}, expected a whole number from 1")


def positive_duration(found: Duration) -> int:
    """
    Return *found* in ms.

    Raises:
        OptionError: it is no duration, or shorter than one ms.
    """
    milliseconds = to_ms(found)
    if milliseconds == 0:
        raise OptionError(f"found {found!r}, expected a duration of at least one ms")
    return milliseconds


@frozen
class Slots:
    """*limit* at once: a slot is held until it is given back, or until *ttl* after its latest renewal."""

    limit: int = field(validator=positive_int)
    ttl: int = field(converter=positive_duration)

    def name(self, key: str) -> str:
        """Return the name under which the state of *key* is kept."""
        return f"slots:{key}"

    def expires_at(self, now: int) -> int:
        """Return when a slot that is taken now ends if it is not given back."""
        return now + self.ttl


@frozen
class Window:
    """*limit* in any *window*: a slot lasts as long as the window."""

    limit: int = field(validator=positive_int)
    window: int = field(converter=positive_duration)

    def name(self, key: str) -> str:
        """Return the name under which the state of *key* is kept; windows of different length are counted apart."""
        return f"window:{self.window}:{key}"

    def expires_at(self, now: int) -> int:
        """Return when a slot that is taken now ends."""
        return now + self.window


@frozen
class Bucket:
    """*limit* in each *bucket* of time; buckets begin at multiples of their length since the epoch. A slot lasts until the next bucket begins."""

    limit: int = field(validator=positive_int)
    bucket: int = field(converter=positive_duration)

    def name(self, key: str) -> str:
        """Return the name under which the state of *key* is kept; buckets of different length are counted apart."""
        return f"bucket:{self.bucket}:{key}"

    def expires_at(self, now: int) -> int:
        """Return when a slot that is taken now ends."""
        return now - now % self.bucket + self.bucket


Limit: TypeAlias = Slots | Window | Bucket


@frozen
class AcquireRequest:
    """
    *owner* asks for a slot of *key*.

    Every attempt has another *token*. Of slots that are given back, an owner has at most one: a later token of the same owner takes it over, since the earlier
    attempt is dead. An owner that *queues_up* and is refused gets a place in the line, by *priority*, lower first, then by arrival, and is expected back.
    """

    key: str
    limit: Limit
    owner: str
    token: str
    queues_up: bool = False
    priority: int = 0

    @property
    def holder(self) -> str:
        """The holder of the slot: the owner if it can give the slot back; otherwise the attempt, since each attempt counts."""
        return self.owner if isinstance(self.limit, Slots) else self.token


@frozen
class Slot:
    """A slot of *key* that *owner* has taken with *token*. It expires *ttl* after its latest renewal; 0 if it cannot be given back."""

    key: str
    owner: str
    token: str
    ttl: int = 0


@frozen
class Granted:
    """A slot was free, and is taken; it ends at *until* if it is not given back."""

    until: int


@frozen
class Refused:
    """No slot was free; one can be in *retry_in* ms: exact for windows and buckets, an estimate for slots that are given back."""

    retry_in: int


@frozen
class FirstSlot:
    """
    The slot that ends first: taken at *since*, it ends at *until*.

    *hold* is the estimate of how long slots are held, 0 if there is none. The key has been known since *known*.
    """

    since: int
    until: int
    hold: int = 0
    known: int = 0


def admits(limit: Limit, held: int, ahead: int) -> bool:
    """
    Is there a slot for the owner that asks, while others hold *held* slots, and *ahead* others whose turn it is are about to come back?

    >>> admits(Slots(2, 1000), held=1, ahead=0), admits(Slots(2, 1000), held=1, ahead=1)
    (True, False)
    """
    return limit.limit - held > ahead


def estimated_wait(limit: Limit, held: int, rank: int, first: FirstSlot | None, now: int) -> int:
    """
    Return in how many ms there can be a slot for an owner that is refused now and has *rank* others before it.

    *first* is None if no slot is held. The line is spread evenly over the time that each slot is held.

    >>> [estimated_wait(Window(2, 1000), 2, rank, FirstSlot(since=0, until=1000), now=400) for rank in range(4)]
    [600, 1100, 1600, 2100]
    """
    free = held < limit.limit or first is None
    wait = 0 if free or first is None else _first_free(limit, first, now) - now
    return max(1, wait + rank * _held_for(limit, first, now) // limit.limit)


def retry_delay(limit: Limit, wait: int, first: FirstSlot | None, now: int) -> int:
    """
    Return after how many ms of an estimated *wait* to ask again.

    How long slots are held is an estimate, and a poor one at first. So only a part of a long wait is slept, and no more than the time that the key has been
    known: if the estimate is wrong, not all owners sleep for too long.

    >>> first = FirstSlot(since=0, until=60_000, hold=1, known=0)
    >>> [retry_delay(Slots(1, 60_000), wait, first, now=20_000) for wait in (1_500, 30_000, 90_000)]
    [1500, 10000, 20000]
    """
    if wait <= SHORT_WAIT_MS or not isinstance(limit, Slots):
        return wait
    return max(SHORT_WAIT_MS, min(wait // SLEEP_DIVISOR, now - first.known if first else 0))


def updated_hold_estimate(hold: int, held: int) -> int:
    """
    Return the estimate of how long slots are held, after one was held for *held* ms. Later slots count more.

    The estimate falls faster than it rises: an owner that sleeps for too long leaves slots unused.

    >>> updated_hold_estimate(0, 100), updated_hold_estimate(100, 200), updated_hold_estimate(100, 0)
    (100, 125, 50)
    """
    if hold == 0:
        return max(1, held)
    return max(1, hold + (held - hold) // (4 if held > hold else 2))


def _first_free(limit: Limit, first: FirstSlot, now: int) -> int:
    """Return when *first* is expected to be free."""
    if not isinstance(limit, Slots):
        return first.until
    age, hold = now - first.since, first.hold
    if age < hold:
        return min(first.until, first.since + hold)
    look = hold // ESTIMATE_RESOLUTION if hold else INITIAL_HOLD_MS  # held for longer than estimated: look soon, then less and less often
    return min(first.until, now + min(max(age - hold, look, 1), max(look, HELD_SLOT_RECHECK_MS)))


def _held_for(limit: Limit, first: FirstSlot | None, now: int) -> int:
    """Return how long each slot is taken."""
    match limit:
        case Window(window=length) | Bucket(bucket=length):
            return length
        case Slots():
            if first is None:
                return INITIAL_HOLD_MS
            return first.hold or max(INITIAL_HOLD_MS, min(now - first.since, HELD_SLOT_RECHECK_MS))
