"""`UnfinishedTurn`: what has come of a turn so far. Where the server's absence has cut one short, the next turn of its worker finishes it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from attrs import Factory, define, evolve

from fq.brokers.records import Commit, Continue, Delivery, Operation, Turn
from fq.brokers.redis.foreign_entries import ForeignEntry
from fq.brokers.redis.turn_request import TurnReply, TurnRequest
from fq.core.message import CANCELLED

Fence: TypeAlias = tuple[str, int, tuple[Operation, ...] | None]
"""Which commit: message id and token; and the operations of one after which the message goes on, since others with this token follow it."""

MAX_SETTLED = 10_000
"""Of this many commits that were applied in a turn without a reply it is remembered that they were, should their worker repeat them."""


@define
class UnfinishedTurn:
    """
    What came of a turn so far. Mutable.

    Of a turn whose reply did not come it is not known whether it was applied. The next one asks that about the request that is *unanswered*, and sends
    again only what was not: the commits that were applied are *answered*, or *settled* by turns before that, with whether they were stale. A request that
    the server has not had by then is *given up*, by number; should it arrive late after all, its commits are taken for applied.

    The caller of a turn that failed calls again, with the same commits, more or fewer of them. It knows nothing of those that hand back what is *unwanted*.
    """

    deliveries: list[Delivery] = Factory(list)
    cancelled_ids: dict[str, None] = Factory(dict)
    foreign: list[ForeignEntry] = Factory(list)
    answered: list[tuple[Sequence[Commit], list[str]]] = Factory(list)
    unanswered: TurnRequest | None = None
    settled: dict[Fence, bool] = Factory(dict)
    given_up: dict[str, TurnRequest] = Factory(dict)
    unwanted: list[Commit] = Factory(list)
    is_cut_short: bool = False
    latest_claim: int = 0
    idle_for: int = 0
    has_due_marks: bool = False

    def add(self, request: TurnRequest, reply: TurnReply) -> None:
        """Add what *request* came to."""
        deliveries, foreign = reply.read_claims(list(request.call.queues))
        commits, stale_ids = request.commits, list(map(bytes.decode, reply.stale_ids))
        if self.is_cut_short:
            commits = self._forget_handed_back(commits)
            self._settle(commits, stale_ids)
        else:
            self.answered.append((commits, stale_ids))
        self.deliveries += deliveries
        self.foreign += foreign
        self.latest_claim = len(deliveries) + len(foreign)
        self.idle_for = reply.idle_for
        self.has_due_marks = reply.has_due_marks == 1
        if self.cancelled_ids:
            self._forget_cancelled(commits, stale_ids)
        self.cancelled_ids.update(dict.fromkeys(map(bytes.decode, reply.cancelled_ids)))

    def cut_short(self) -> None:
        """Note that this turn does not come to its end as it was begun."""
        self.is_cut_short = True
        for commits, stale_ids in self.answered:
            self._settle(commits, stale_ids)
        self.answered.clear()

    def give_up(self, request: TurnRequest) -> None:
        """Note that the server has not had *request*, the unanswered one."""
        self.given_up[request.number] = request
        self.unanswered = None

    def bytes_left(self, max_bytes: int) -> int:
        """Return how many of *max_bytes* the deliveries leave."""
        return max_bytes - sum(len(delivery.body) for delivery in self.deliveries)

    def unsettled(self, commits: Sequence[Commit]) -> Sequence[Commit]:
        """Return those of *commits* of which it is not known what became of them."""
        return [commit for commit in commits if fence(commit) not in self.settled] if self.settled else commits

    def finish(self, commits: Iterable[Commit]) -> "tuple[Turn, UnfinishedTurn | None]":
        """Return what the turn of *commits* came to, and what the next one has to know."""
        deliveries, cancelled_ids = tuple(self.deliveries), tuple(self.cancelled_ids)
        if cancelled_ids:
            deliveries = tuple(
                evolve(each, interrupted=CANCELLED) if each.message_id in self.cancelled_ids else each for each in deliveries
            )
        if not self.is_cut_short:
            stale_ids = tuple(id_ for _, stale in self.answered for id_ in stale)
            return Turn(deliveries, stale_ids, self.idle_for, cancelled_ids, self.has_due_marks), None
        settled = self.settled
        stale_ids = tuple(self._take_stale_ids(commits))
        while len(settled) > MAX_SETTLED:
            del settled[next(iter(settled))]
        rest = UnfinishedTurn(settled=settled, given_up=self.given_up, is_cut_short=True) if settled or self.given_up else None
        return Turn(deliveries, stale_ids, self.idle_for, cancelled_ids, self.has_due_marks), rest

    def _take_stale_ids(self, commits: Iterable[Commit]) -> Iterator[str]:
        """Yield the ids of those of *commits* that are stale, and forget them. The second commit that ends a claim always is."""
        ended: set[Fence] = set()
        for commit in commits:
            key = fence(commit)
            if self.settled.pop(key, key in ended):
                yield commit.message_id
            if key[2] is None:
                ended.add(key)

    def _settle(self, commits: Sequence[Commit], stale_ids: Sequence[str]) -> None:
        """Note what became of *commits*. What is said first of one counts: the server takes what it has applied for stale."""
        names = set(stale_ids)
        for commit in commits:
            self.settled.setdefault(fence(commit), commit.message_id in names)

    def _forget_cancelled(self, commits: Sequence[Commit], stale_ids: Sequence[str]) -> None:
        """Forget that messages were cancelled of which an earlier script of this turn has told, and which the worker holds no more after *commits*."""
        for commit in commits:
            if type(commit.disposition) is not Continue and commit.message_id not in stale_ids:
                self.cancelled_ids.pop(commit.message_id, None)

    def _forget_handed_back(self, commits: Sequence[Commit]) -> Sequence[Commit]:
        """Forget the deliveries that *commits* hand back, which no caller has seen; return the other commits."""
        gone = set(map(fence, commits)).intersection(map(fence, self.deliveries))
        self.deliveries = [delivery for delivery in self.deliveries if fence(delivery) not in gone]
        return [commit for commit in commits if fence(commit) not in gone]


def fence(one: Commit | Delivery) -> Fence:
    """Return what tells *one* from every other commit, or claim."""
    return one.message_id, one.token, one.operations if isinstance(one, Commit) and type(one.disposition) is Continue else None


def is_later(number: str, other: str) -> bool:
    """
    Is *number* that of a later turn than *other*, of the same process? An *other* that is empty comes before all.

    >>> is_later("a.7.10", "a.7.9"), is_later("a.7.8", "a.7.9"), is_later("a.7.1", "")
    (True, False, True)
    """
    return not other or int(number.rpartition(".")[2]) > int(other.rpartition(".")[2])
