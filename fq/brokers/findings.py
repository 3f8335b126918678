"""`Finding`: one line of a broker's report about itself. ``fq doctor`` prints them."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from attrs import frozen

from fq.core.counted import counted
from fq.errors import FqError

Level: TypeAlias = Literal["good", "warn", "bad"]

DAMAGE_CHECK_SECONDS = 5.0
"""How long a broker looks for damage of its file if it is not told otherwise."""

HeldKey: TypeAlias = tuple[str, str]
"""A unique key, and the id of the message that holds it."""

MAX_EXAMINED_KEYS = 10_000
"""At most this many unique keys are checked."""

MAX_NAMED_KEYS = 5


@frozen
class Finding:
    """
    The result of one check.

    Attributes:
        what: what was checked.

        level: ``"good"``; ``"warn"``: may become a problem; ``"bad"``: loses messages or stops work.

        found: what was found.

        advice: what to do; ``""`` if nothing.
    """

    what: str
    level: Level
    found: str
    advice: str = ""


def refusal(what: str, error: FqError) -> Finding:
    """
    Return *error*, raised by the check of *what*, as a finding. The text after the last semicolon of an error is the advice.

    >>> from fq.errors import BrokerError
    >>> refusal("queues", BrokerError("found a list at {fq}:leases, expected a zset; give fq a namespace of its own"))
    Finding(what='queues', level='bad', found='found a list at {fq}:leases, expected a zset', advice='give fq a namespace of its own')
    """
    found, mark, advice = str(error).rpartition("; ")
    return Finding(what, "bad", found, advice) if mark else Finding(what, "bad", advice)


def unique_keys_finding(examined: int, gone: Sequence[HeldKey]) -> Finding:
    """
    Return what there is to say of the unique keys that are held. So many were *examined*; there is no message any more that holds those in *gone*.

    >>> unique_keys_finding(2, [("greeting of 7", "m1")]).found
    "1 of 2 keys held by a message that is gone: 'greeting of 7' by m1"
    """
    found = counted(examined, "key")
    if not gone:
        return Finding("unique keys", "good", f"{found} held" if examined else "none held")
    advice = (
        "send these calls again: a send takes such a key. Their messages were lost, or an older fq has ended them without freeing the keys"
    )
    return Finding("unique keys", "warn", f"{len(gone)} of {found} held by a message that is gone: {names_of_keys(gone)}", advice)


def names_of_keys(held: Sequence[HeldKey]) -> str:
    """Return a text with the first of some keys, each with its holder."""
    more = len(held) - MAX_NAMED_KEYS
    return ", ".join(f"{key!r} by {holder}" for key, holder in held[:MAX_NAMED_KEYS]) + (f" and {more} more" if more > 0 else "")
