"""`Begun`: what has come of a turn so far. One that the server's absence has cut short is gone on with by the next turn of its worker."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from attrs import Factory, define, frozen

from fq.brokers.records import ClaimRequest, Commit, Delivery, Turn
from fq.brokers.redis.foreign_entries import Stray
from fq.brokers.redis.script_protocol import Argument, Claim, Sheet, deliveries_read

Reply: TypeAlias = tuple[int, int, int, list[bytes], list[tuple[bytes, bytes]], list[Claim], list[tuple[bytes, bytes]], list[bytes], bytes]
"""Now, token, for how long to idle, stale ids, workers whose lease has run out and what is remembered of each, claims, moved letters,
cancelled ids, the latest turn that is remembered. Only the first and the last where that is another than the worker believes."""

Fence: TypeAlias = tuple[str, int]
"""Which commit: message id and token."""

NUMBER, REMEMBERED, MAX_BYTES = 1, 11, 12
"""Where in its arguments a turn says its number, which turn was remembered, and how many bytes it may claim (and behind that, if the first may be larger)."""

KEPT = 10_000
"""Of this many commits that were applied in a turn without a reply it is known that they were, should their worker repeat them."""


@frozen(eq=False)
class Script:
    """One call of ``lua/turn.lua``: what for, its arguments, and the commits that are in it."""

    request: ClaimRequest
    limit: int
    channel: str
    sheet: Sheet
    arguments: list[Argument]
    commits: Sequence[Commit]

    @property
    def number(self) -> str:
        """Its number, by which the server knows it again."""
        return str(self.arguments[NUMBER])


@define
class Begun:
    """
    What came of a turn so far. Mutable.

    Of a turn whose reply did not come it is not known whether it was applied. The next one asks that about the script that is *unanswered*, and sends again
    only what was not: the commits that were applied are *answered*, or *known* from turns before that, with whether they were stale. A script that the
    server has not had by then is *given up*, by number; should it arrive late after all, its commits are taken for applied.

    The caller of a turn that failed calls again, with the same commits, more or fewer of them.
    """

    deliveries: list[Delivery] = Factory(list)
    cancelled: dict[str, None] = Factory(dict)
    strays: list[Stray] = Factory(list)
    answered: list[tuple[Sequence[Commit], list[str]]] = Factory(list)
    unanswered: Script | None = None
    known: dict[Fence, bool] = Factory(dict)
    given_up: dict[str, Script] = Factory(dict)
    cut_short: bool = False
    claimed: int = 0
    idle_for: int = 0

    def add(self, script: Script, reply: Reply) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
        """Add the *reply* to *script*; return what it says of expired leases and moved letters."""
        now, token, self.idle_for, stale, expired, claims, moved, cancelled, _ = reply
        deliveries, strays = deliveries_read(claims, list(script.sheet.queues), token, now)
        commits, names = script.commits, list(map(bytes.decode, stale))
        if self.cut_short:
            commits = self._handed_back(commits)
            self._learn(commits, names)
        else:
            self.answered.append((commits, names))
        self.deliveries += deliveries
        self.strays += strays
        self.claimed = len(deliveries) + len(strays)
        self.cancelled.update(dict.fromkeys(map(bytes.decode, cancelled)))
        return expired, moved

    def cut(self) -> None:
        """Note that this turn does not come to its end as it was begun."""
        self.cut_short = True
        for commits, stale in self.answered:
            self._learn(commits, stale)
        self.answered.clear()

    def room(self, max_bytes: int) -> int:
        """Return how many of *max_bytes* are left."""
        return max_bytes - sum(len(each.body) for each in self.deliveries)

    def left(self, commits: Sequence[Commit]) -> Sequence[Commit]:
        """Return those of *commits* of which it is not known what became of them."""
        return [commit for commit in commits if fence(commit) not in self.known] if self.known else commits

    def turn(self, commits: Iterable[Commit]) -> "tuple[Turn, Begun | None]":
        """Return what the turn of *commits* came to, and what the next one has to know."""
        deliveries, cancelled = tuple(self.deliveries), tuple(self.cancelled)
        if not self.cut_short:
            return Turn(deliveries, tuple(name for _, stale in self.answered for name in stale), self.idle_for, cancelled), None
        known = self.known
        stale = tuple(commit.message_id for commit in commits if known.pop(fence(commit), False))
        while len(known) > KEPT:
            del known[next(iter(known))]
        rest = Begun(known=known, given_up=self.given_up, cut_short=True) if known or self.given_up else None
        return Turn(deliveries, stale, self.idle_for, cancelled), rest

    def _learn(self, commits: Sequence[Commit], stale: Sequence[str]) -> None:
        """Note what became of *commits*. What is said first of one counts: the server takes what it has applied for stale."""
        names = set(stale)
        for commit in commits:
            self.known.setdefault(fence(commit), commit.message_id in names)

    def _handed_back(self, commits: Sequence[Commit]) -> Sequence[Commit]:
        """Forget the deliveries that *commits* hand back, which no caller has seen; return the others of *commits*."""
        gone = set(map(fence, commits)).intersection(map(fence, self.deliveries))
        self.deliveries = [each for each in self.deliveries if fence(each) not in gone]
        return [commit for commit in commits if fence(commit) not in gone]


def fence(one: Commit | Delivery) -> Fence:
    """Return what tells *one* from every other commit, or claim."""
    return one.message_id, one.token


def is_later(number: str, other: str) -> bool:
    """
    Is *number* that of a later turn than *other*, of the same process? An *other* that is empty comes before all.

    >>> is_later("a.7.10", "a.7.9"), is_later("a.7.8", "a.7.9"), is_later("a.7.1", "")
    (True, False, True)
    """
    return not other or int(number.rpartition(".")[2]) > int(other.rpartition(".")[2])
