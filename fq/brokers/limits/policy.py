"""
What a limiter decides: pure functions of what is known about its key. All times are ms.

A key has so many slots. Every grant takes one, until it is given back or its time is up; the three kinds of limit differ only in when
that is. An owner that is refused learns when to come back, and may stand in a line, ordered as ready messages are: by priority, and then by arrival. So it
does not come back together with all others, and only those that are more urgent overtake it.

Two stores act on these decisions: ``fq.brokers.limits.local_store`` calls them, ``lua/take.lua`` repeats them where the data is. One test suite holds both
to the same answers.
"""

from typing import TypeAlias

from attrs import Attribute, field, frozen

from fq.core.duration import Duration, to_ms
from fq.errors import OptionError

NO_SHOW_MS = 5_000
"""Who does not come back for so long after the time it was told loses its place in the line."""

INITIAL_HOLD_MS = 10
"""For how long a slot is taken to be held, while none has been given back yet and none has been held for longer."""

ESTIMATE_RESOLUTION = 16
"""How long slots are held is an estimate: what is meant to be soon is within this part of it."""

SHORT_WAIT_MS, SLEEP_FRACTION = 2_000, 3
"""Of a wait that is longer than the first, and only an estimate, just this part is slept; and no longer than one has known the key."""

HELD_SLOT_RECHECK_MS = 1_000
"""So often, at least, a slot is looked at that is held for longer than was expected."""


def positive_int(_: object, attribute: "Attribute[int]", found: object) -> None:
    """Raise `OptionError` unless *found* is a whole number from 1."""
    if type(found) is not int or found < 1:
        raise OptionError(f"{attribute.name}: found {found!r}, expected a whole number from 1")


def positive_duration(found: Duration) -> int:
    """
    Return *found* in ms.

    Raises:
        OptionError: it is no duration, or none at all.
    """
    milliseconds = to_ms(found)
    if milliseconds == 0:
        raise OptionError(f"found {found!r}, expected a duration of at least one ms")
    return milliseconds


@frozen
class Slots:
    """*limit* at once: a slot is held until it is given back, or until *ttl* after its holder was last heard of."""

    limit: int = field(validator=positive_int)
    ttl: int = field(converter=positive_duration)

    def name(self, key: str) -> str:
        """Return what the state of *key* is kept under."""
        return f"slots:{key}"

    def expires_at(self, now: int) -> int:
        """Return when a slot that is taken now is free again, if nobody gives it back."""
        return now + self.ttl


@frozen
class Window:
    """*limit* in any *window*: a slot is taken for as long as the window."""

    limit: int = field(validator=positive_int)
    window: int = field(converter=positive_duration)

    def name(self, key: str) -> str:
        """Return what the state of *key* is kept under; windows of different length are counted apart."""
        return f"window:{self.window}:{key}"

    def expires_at(self, now: int) -> int:
        """Return when a slot that is taken now is free again."""
        return now + self.window


@frozen
class Bucket:
    """*limit* in each *bucket* of time, beginning at multiples of its length since the epoch: a slot is taken until the next one begins."""

    limit: int = field(validator=positive_int)
    bucket: int = field(converter=positive_duration)

    def name(self, key: str) -> str:
        """Return what the state of *key* is kept under; buckets of different length are counted apart."""
        return f"bucket:{self.bucket}:{key}"

    def expires_at(self, now: int) -> int:
        """Return when a slot that is taken now is free again."""
        return now - now % self.bucket + self.bucket


Limit: TypeAlias = Slots | Window | Bucket


@frozen
class AcquireRequest:
    """
    A slot of *key* is asked for, by *owner*.

    *token* is another for every attempt. Of slots that are given back, an owner has one at most: another token of the same owner takes it
    over, since the earlier attempt is dead. Who *waits* and is refused stands in the line from then on, and is expected back. Its place there is by
    *priority*, lower first, and then by when it came.
    """

    key: str
    limit: Limit
    owner: str
    token: str
    queues_up: bool = False
    priority: int = 0

    @property
    def holder(self) -> str:
        """Who will hold the slot: the owner, if it can give it back; else the attempt, for each of them counts."""
        return self.owner if isinstance(self.limit, Slots) else self.token


@frozen
class Slot:
    """A slot of *key* that *owner* has taken with *token*. It lapses *ttl* after it was last renewed; 0 if it cannot be given back."""

    key: str
    owner: str
    token: str
    ttl: int = 0


@frozen
class Granted:
    """A slot was free, and is taken now; it is free again at *until* if nobody gives it back."""

    until: int


@frozen
class Refused:
    """No slot was free; one can be in *retry_in* ms: exactly known for windows and buckets, estimated for slots that are given back."""

    retry_in: int


@frozen
class FirstSlot:
    """
    The slot that lapses first: taken at *since*, free again by itself at *until*.

    Slots are held for *hold* lately, 0 if that is not known. What is known of the key has been learnt since *known*.
    """

    since: int
    until: int
    hold: int = 0
    known: int = 0


def admits(limit: Limit, held: int, ahead: int) -> bool:
    """
    Is there a slot for who asks, when others hold *held* slots, and *ahead* others whose turn it is are about to come back?

    >>> admits(Slots(2, 1000), held=1, ahead=0), admits(Slots(2, 1000), held=1, ahead=1)
    (True, False)
    """
    return limit.limit - held > ahead


def estimated_wait(limit: Limit, held: int, rank: int, first: FirstSlot | None, now: int) -> int:
    """
    Return in how many ms there can be a slot for who is refused now, with *rank* others to be served before.

    *first* is None when no slot is held. The slots of a line are spread evenly over the time that each of them is held.

    >>> [estimated_wait(Window(2, 1000), 2, rank, FirstSlot(since=0, until=1000), now=400) for rank in range(4)]
    [600, 1100, 1600, 2100]
    """
    free = held < limit.limit or first is None
    wait = 0 if free or first is None else _first_free(limit, first, now) - now
    return max(1, wait + rank * _held_for(limit, first, now) // limit.limit)


def retry_delay(limit: Limit, wait: int, first: FirstSlot | None, now: int) -> int:
    """
    Return after how many ms of a planned *wait* to ask again.

    How long slots are held is an estimate, and at first a poor one. So of a long wait for one only a part is slept, and no more than the
    time since something was first known of the key: when the estimate turns out to be wrong, not all sleep too long.

    >>> first = FirstSlot(since=0, until=60_000, hold=1, known=0)
    >>> [retry_delay(Slots(1, 60_000), wait, first, now=20_000) for wait in (1_500, 30_000, 90_000)]
    [1500, 10000, 20000]
    """
    if wait <= SHORT_WAIT_MS or not isinstance(limit, Slots):
        return wait
    return max(SHORT_WAIT_MS, min(wait // SLEEP_FRACTION, now - first.known if first else 0))


def updated_hold_estimate(hold: int, held: int) -> int:
    """
    Return for how long slots are held, after one that was held for *held* ms: the later ones count more.

    Downwards it is learnt faster: who sleeps for too long leaves slots unused.

    >>> updated_hold_estimate(0, 100), updated_hold_estimate(100, 200), updated_hold_estimate(100, 0)
    (100, 125, 50)
    """
    if hold == 0:
        return max(1, held)
    return max(1, hold + (held - hold) // (4 if held > hold else 2))


def _first_free(limit: Limit, first: FirstSlot, now: int) -> int:
    """Return when *first* will be free."""
    if not isinstance(limit, Slots):
        return first.until
    age, hold = now - first.since, first.hold
    if age < hold:
        return min(first.until, first.since + hold)
    look = (
        hold // ESTIMATE_RESOLUTION if hold else INITIAL_HOLD_MS
    )  # held for longer than was expected: look soon, then less and less often
    return min(first.until, now + min(max(age - hold, look, 1), max(look, HELD_SLOT_RECHECK_MS)))


def _held_for(limit: Limit, first: FirstSlot | None, now: int) -> int:
    """Return for how long a slot is taken each time."""
    match limit:
        case Window(window=length) | Bucket(bucket=length):
            return length
        case Slots():
            if first is None:
                return INITIAL_HOLD_MS
            return first.hold or max(INITIAL_HOLD_MS, min(now - first.since, HELD_SLOT_RECHECK_MS))
