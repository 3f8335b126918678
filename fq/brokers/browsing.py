"""`Browser`: looking at messages page by page, and the records `Entry` and `Page` that this returns. No call reads more than a bounded part of a queue."""

import json
from typing import Literal, Protocol, TypeAlias

from attrs import field, frozen

from fq.brokers.records import DeadKinds, Status
from fq.brokers.sights import MOST_COUNTED
from fq.errors import BrokerError

BrowsedState: TypeAlias = Literal["ready", "delayed", "retrying", "running", "dead"]
"""``"delayed"`` messages wait for their time; ``"retrying"`` ones are those among them that have failed before."""


MAX_LOOKED_AT = 1_000
"""How many messages one call looks at, at most."""

MAX_PAGE_BYTES = 2**22
"""A page ends with the message with which its bodies come to this many bytes."""

Place: TypeAlias = tuple[int | str, ...]
"""The place of a message among those of its state."""


def read_cursor(after: str, *kinds: type[int] | type[str]) -> Place:
    """
    Return the place that the cursor *after*, a JSON list, stands for; an empty one for ``""``. If *kinds* are given, its parts must be of these types.

    Raises:
        BrokerError: it is no cursor.
    """
    try:
        place = json.loads(after) if after else []
    except (ValueError, RecursionError):
        place = None
    if not isinstance(place, list) or not all(map(_is_part, place)) or (after and kinds and tuple(map(type, place)) != kinds):
        raise no_cursor(after)
    return tuple(place)


def _is_part(part: object) -> bool:
    """Is *part* a number or a text that every broker can look for?"""
    if type(part) is str:
        return not any("\ud800" <= character <= "\udfff" for character in part)
    return type(part) is int and -(2**63) <= part < 2**63


def no_cursor(after: str) -> BrokerError:
    """Return the error for *after*, which is from no page."""
    shown = repr(after) if len(after) <= 100 else f"{after[:100]!r}… of {len(after)} characters"
    return BrokerError(f"found after={shown}, expected what `Page.after` of an earlier page of the same messages says")


@frozen
class Entry:
    """
    One message: its *status*, *priority* and *body*.

    *since* is a time on the broker's clock, ms since the epoch: when it became ready, or will, when it was claimed, or when it died.
    """

    status: Status
    priority: int
    since: int
    body: bytes = field(repr=False)


@frozen
class Page:
    """
    Some *entries*; *after* gets the next page, ``""`` if there is none. A page may have fewer entries than asked for, and still be followed by one.

    *looked_at* is how many messages were looked at to find them.
    """

    entries: tuple[Entry, ...]
    after: str = ""
    looked_at: int = 0


class Browser(Protocol):
    """Shows messages that have not ended, and dead letters."""

    def browse(
        self,
        state: BrowsedState,
        *,
        queue: str | None = None,
        actor: str | None = None,
        error: str | None = None,
        after: str = "",
        limit: int = 100,
    ) -> Page:
        """
        Return one page of the messages in *state*, of one queue, actor or type of the latest error if given.

        Ready messages come by (priority, arrival) within each queue, queues by name; delayed ones the next due first; running ones the first claimed first;
        dead ones the latest first. A delayed message is ready once it is due, also before a turn makes it so; of more than 1,000 of these, the rest come after
        the others, the first due first. A call looks at 1,000 messages at most, and a page has 4 MiB of bodies at most, or one message: *after*, from the page
        before, goes on from there.

        Raises:
            BrokerError: *after* is not from a page of this broker.
        """
        ...

    def peek(self, message_id: str) -> Entry | None:
        """Return a message that waits, runs or is dead; None if there is none."""
        ...

    def dead_kinds(self, most: int = MOST_COUNTED) -> DeadKinds:
        """
        Return which kinds of dead letters there are, by queue, actor and type of error: when the first and the latest of each died, and how many there are.

        It does a bounded part of the work that looking at all of them would be. So each kind is counted to *most* or less, and of more than 1,000 kinds some
        are left out; a broker that cannot find the kinds without looking at the letters looks at the latest 1,000: see `DeadKinds`.
        """
        ...
