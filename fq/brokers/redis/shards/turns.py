"""
`ShardedTurns`: the turns of workers over all shards. Mutable shell.

A turn goes to the shards that have its commits, and claims from one shard after the other until it has enough. It begins with the one that the last turn had
messages of, so that it commits and claims there in one step, and after some turns with the next one. Where a commit asks something of another shard, that is
done before the turn claims.
"""

import time
from collections.abc import Iterable, Sequence
from zlib import crc32

from attrs import Factory, define, evolve

from fq.brokers.operations import Operation, StoreResultOp
from fq.brokers.records import MAX_IDLE_MS, RELEASE, ClaimRequest, Commit, Delivery, Turn, new_commit, new_delivery
from fq.brokers.redis.shards.carriers import OUTBOX
from fq.brokers.redis.shards.mover import Hear, Mover, without_carriers
from fq.brokers.redis.shards.records import bounded_indexes, cut_index
from fq.brokers.redis.shards.rewriting import Rewritten, for_shard
from fq.brokers.redis.shards.routing import Routing, grouped
from fq.brokers.redis.shards.shard import Shard
from fq.brokers.redis.turn_steps import TurnPart
from fq.brokers.redis.unfinished_turns import Fence, UnfinishedTurn, fence
from fq.brokers.validation import check_commits

VISITS_PER_LEASE = 10
"""A worker visits each shard at least this many times during its lease."""


MAX_STAY = 8
"""A worker claims from one shard first in this many turns, then from the next."""


@define
class WorkerView:
    """
    What a worker knows of the shards. Mutable.

    Attributes:
        unfinished: what came of its latest turn, if that failed.

        rewritten: the commits of that turn as they were sent, so that a shard knows them again.

        visited_at: when it had its latest turn in each shard, in seconds of `time.monotonic`.

        sources: shards whose outbox it has written to, and not emptied yet.

        place: the shard that it stays in, for *stayed* turns so far.

        bounded: indexes that it has added marks to and not cut since, and to how many marks; cut_at: when it did that last.
    """

    unfinished: UnfinishedTurn = Factory(UnfinishedTurn)
    rewritten: dict[Fence, Rewritten] = Factory(dict)
    visited_at: dict[int, float] = Factory(dict)
    sources: dict[int, None] = Factory(dict)
    bounded: dict[str, int] = Factory(dict)
    cut_at: float = float("-inf")
    place: int = -1
    stayed: int = 0

    def order(self, worker: str, count: int) -> list[int]:
        """Return the order in which a turn of *worker* visits *count* shards: first the one that it stays in, or the next one after that."""
        if self.place < 0:
            self.place = crc32(worker.encode()) % count  # workers begin in different shards
        if self.stayed >= MAX_STAY:
            self.place, self.stayed = (self.place + 1) % count, 0
        return [(self.place + step) % count for step in range(count)]

    def stay_in(self, shard: int) -> None:
        """Note that the last messages came from *shard*: the next turn commits there, and so claims there in the same step."""
        self.stayed = self.stayed + 1 if shard == self.place else 1
        self.place = shard


class ShardedTurns:
    """Takes turns over *shards* for the workers of this process; each shard is visited at least every *visit_seconds*."""

    def __init__(self, shards: Sequence[Shard], routing: Routing, mover: Mover, visit_seconds: float) -> None:
        self._shards = shards
        self._routing = routing
        self._mover = mover
        self.visit_seconds = visit_seconds
        self._views: dict[str, WorkerView] = {}

    def turn(self, commits: Sequence[Commit], request: ClaimRequest, channel: str) -> Turn:
        """See `Broker.turn`; *channel* is where the worker is woken, ``""`` if it does not listen."""
        commits = tuple(commits)
        check_commits(commits)
        view = self._views.setdefault(request.worker, WorkerView())
        turn = view.unfinished
        turn.idle_for, turn.has_due_marks = MAX_IDLE_MS, False
        try:
            self._hand_back(request, view)
            pending = grouped(turn.unsettled(commits), lambda commit: commit.token % len(self._shards))
            rewritten = {shard: self._for_shard(shard, parts, view) for shard, parts in pending.items()}
            if view.sources or self._mover.holds(request.worker) or any(may_emit for _, may_emit in rewritten.values()):
                self._commit_and_move(request, view, pending, rewritten)
                pending = {}
            self._visit_all(request, view, pending, rewritten, channel)
            self._cut(view)
        except BaseException:
            turn.cut_short()
            raise
        result, rest = turn.finish(commits)
        view.unfinished = rest or UnfinishedTurn()
        view.rewritten.clear()
        if len(result.stale) > 1:
            places = {commit.message_id: place for place, commit in enumerate(commits)}
            result = evolve(result, stale=tuple(sorted(result.stale, key=lambda name: places.get(name, -1))))
        return result

    def _for_shard(self, shard: int, commits: Sequence[Commit], view: WorkerView) -> tuple[list[Commit], bool]:
        """Return *commits* as *shard* takes them, and whether they may put something into its outbox."""
        found, may_emit = [], False
        for commit in commits:
            operations: tuple[Operation, ...] = commit.operations
            if operations and not self._has_own_result_only(shard, commit):
                view.bounded |= bounded_indexes(operations)
                key = fence(commit)
                rewritten = view.rewritten.get(key) or for_shard(self._routing, shard, operations)
                if rewritten.operations != operations:
                    view.rewritten[key] = rewritten
                operations, may_emit = rewritten.operations, may_emit or rewritten.may_emit
            token = commit.token // len(self._shards)
            sent = new_commit(commit.message_id, commit.queue_name, token, commit.disposition, operations)
            object.__setattr__(sent, "checked", True)  # all that it says has been checked in *commits*
            found.append(sent)
        return found, may_emit

    def _has_own_result_only(self, shard: int, commit: Commit) -> bool:
        """Does *commit* ask for nothing but the result of its message, which is in its shard, as nearly all do?"""
        (first, *rest) = commit.operations
        return (
            not rest
            and type(first) is StoreResultOp
            and not first.hold
            and first.message_id == commit.message_id
            and self._routing.of_message(first.message_id) == shard
        )

    def _cut(self, view: WorkerView) -> None:
        """Cut indexes over all shards: now and then, since each shard has cut its part."""
        if view.bounded and time.monotonic() - view.cut_at >= self.visit_seconds:
            view.cut_at = time.monotonic()
            for index, most in view.bounded.items():
                cut_index(self._shards, index, most)
            view.bounded.clear()

    def _hand_back(self, request: ClaimRequest, view: WorkerView) -> None:
        """Hand back what an earlier turn, which failed, has claimed beyond what the worker wants now."""
        turn = view.unfinished
        surplus = turn.deliveries[max(0, request.limit) :]
        for shard, parts in grouped(surplus, lambda each: each.token % len(self._shards)).items():
            commits = [Commit(each.message_id, each.queue_name, each.token // len(self._shards), RELEASE) for each in parts]
            found = self._shards[shard].turns.turn(commits, evolve(request, limit=0), "")
            self._add(shard, without_carriers(evolve(found, stale=())), (), view)
            gone = set(map(fence, parts))
            turn.deliveries = [each for each in turn.deliveries if fence(each) not in gone]

    def _commit_and_move(
        self,
        request: ClaimRequest,
        view: WorkerView,
        pending: dict[int, list[Commit]],
        rewritten: dict[int, tuple[list[Commit], bool]],
    ) -> None:
        """Apply all commits, and let their operations arrive in the other shards, so that this turn can claim what they have enqueued."""
        for shard, parts in pending.items():
            commits, may_emit = rewritten[shard]
            if may_emit:
                view.sources[shard] = None
            self._visit(shard, (parts, commits), evolve(request, limit=0), view, "")
        self._move(request, view)

    def _move(self, request: ClaimRequest, view: WorkerView) -> None:
        self._mover.move_all(request.worker, request.lease, view.sources, self._hear(view))
        view.sources.clear()

    def _visit_all(
        self,
        request: ClaimRequest,
        view: WorkerView,
        pending: dict[int, list[Commit]],
        rewritten: dict[int, tuple[list[Commit], bool]],
        channel: str,
    ) -> None:
        """Visit shards: those that have commits, those that have not been visited for long, and as many others as there is room for their messages."""
        turn, count = view.unfinished, len(self._shards)
        longest = min(self.visit_seconds, request.lease / 1_000 / VISITS_PER_LEASE)
        for shard in view.order(request.worker, count):
            room, size = max(0, request.limit - len(turn.deliveries)), turn.bytes_left(request.max_bytes)
            if size < 0 and turn.deliveries:
                room = 0
            is_due = time.monotonic() - view.visited_at.get(shard, float("-inf")) >= longest
            must_visit = is_due or shard in pending
            if not must_visit and (quiet_ms := self._shards[shard].turns.ms_of_quiet(request)):
                turn.idle_for = min(turn.idle_for, quiet_ms)
            elif room or must_visit:
                commits = (pending.get(shard, []), rewritten[shard][0] if shard in pending else [])
                before = len(turn.deliveries)
                self._visit(shard, commits, evolve(request, limit=room, max_bytes=max(0, size)), view, channel, looks=is_due)
                if len(turn.deliveries) > before:
                    view.stay_in(shard)

    def _visit(
        self,
        shard: int,
        commits: tuple[Sequence[Commit], Sequence[Commit]],
        request: ClaimRequest,
        view: WorkerView,
        channel: str,
        *,
        looks: bool = False,
    ) -> None:
        """Take one turn in *shard* with *commits*, as the caller has them and as the shard takes them; if it *looks*, then at its outbox, too."""
        view.visited_at.pop(shard, None)  # should the turn fail, the next one comes here, too
        turn = self._shards[shard].turns.turn(commits[1], request, channel, TurnPart(first_may_be_larger=not view.unfinished.deliveries))
        carriers = [each for each in turn.deliveries if each.queue_name == OUTBOX]
        self._add(shard, without_carriers(turn), commits[0], view)
        if carriers:
            view.sources |= dict.fromkeys(self._mover.move(request.worker, request.lease, shard, carriers, self._hear(view)))
        if carriers or (looks and self._has_carriers(shard)):
            view.sources[shard] = None
            self._move(request, view)
        view.visited_at[shard] = time.monotonic()

    def _hear(self, view: WorkerView) -> Hear:
        return lambda shard, turn: self._add(shard, evolve(turn, stale=()), (), view)

    def _has_carriers(self, shard: int) -> bool:
        """Has *shard* carriers that nobody holds? Their worker, or the process that made them, is gone or about to come."""
        namespace = self._shards[shard].namespace
        return namespace.client.command("EXISTS", namespace.keys.queue(OUTBOX)[0]) == 1

    def _add(self, shard: int, found: Turn, commits: Sequence[Commit], view: WorkerView) -> None:
        """Add to the turn of the worker what it *found* in one shard."""
        turn = view.unfinished
        if turn.is_cut_short:
            turn._settle(commits, found.stale)
        elif commits:
            turn.answered.append((commits, list(found.stale)))
        turn.deliveries += self._own_deliveries(shard, found.deliveries)
        turn.cancelled_ids.update(dict.fromkeys(found.cancelled))
        turn.idle_for = min(turn.idle_for, found.idle_for)
        turn.has_due_marks = turn.has_due_marks or found.has_due_marks

    def _own_deliveries(self, shard: int, deliveries: Iterable[Delivery]) -> list[Delivery]:
        """Return *deliveries* with tokens that say which shard they are of."""
        count = len(self._shards)
        return [
            new_delivery(
                each.message_id,
                each.queue_name,
                each.actor_name,
                each.body,
                each.token * count + shard,
                each.deliveries,
                each.received_at,
                each.interrupted,
            )
            for each in deliveries
        ]
