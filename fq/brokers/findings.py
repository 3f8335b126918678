"""`Finding`, one line of what a broker says of its own state; ``fq doctor`` prints them."""

from typing import Literal, TypeAlias

from attrs import frozen

from fq.errors import FqError

Level: TypeAlias = Literal["good", "warn", "bad"]


@frozen
class Finding:
    """
    Something that was looked at.

    Attributes:
        what: what was looked at.

        level: ``"good"``; ``"warn"``, which may cost you one day; ``"bad"``, which loses messages or stops work.

        found: what was found.

        advice: what to do; ``""`` if nothing.
    """

    what: str
    level: Level
    found: str
    advice: str = ""


def refusal(what: str, error: FqError) -> Finding:
    """
    Return *error*, which asking after *what* ended in, as a finding; what an error says behind its last semicolon is what to do.

    >>> from fq.errors import BrokerError
    >>> refusal("queues", BrokerError("found a list at {fq}:leases, expected a zset; give fq a namespace of its own"))
    Finding(what='queues', level='bad', found='found a list at {fq}:leases, expected a zset', advice='give fq a namespace of its own')
    """
    found, mark, advice = str(error).rpartition("; ")
    return Finding(what, "bad", found, advice) if mark else Finding(what, "bad", advice)
