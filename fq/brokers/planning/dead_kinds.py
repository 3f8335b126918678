"""The kinds of dead letters, for brokers in an SQL database. Pure."""

from attrs import frozen

MAX_KINDS = 1_000
"""How many kinds of dead letters one call looks at."""

MOST_OF_ALL_KINDS = 50_000
"""How many letters of all kinds together are counted, about."""


@frozen
class Kinds:
    """The kinds of which letters are wanted, each a queue, an actor and a type of error. *are_all*: no other kinds fit."""

    found: tuple[tuple[str, str, str], ...]
    are_all: bool


NO_KINDS = Kinds((), False)
