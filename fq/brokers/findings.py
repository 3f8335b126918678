"""`Finding`, one line of what a broker says of its own state; ``fq doctor`` prints them."""

from typing import Literal, TypeAlias

from attrs import frozen

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
