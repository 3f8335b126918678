"""`Finding`: one line of a broker's report about itself. ``fq doctor`` prints them."""

from typing import Literal, TypeAlias

from attrs import frozen

from fq.errors import FqError

Level: TypeAlias = Literal["good", "warn", "bad"]


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
