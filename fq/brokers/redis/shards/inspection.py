"""`ShardedInspection`: the calls of a `ShardedRedisBroker` that look at messages, queues and workers. Mutable, like the broker."""

from collections.abc import Iterable, Iterator

from attrs import evolve

from fq.brokers.browsing import BrowsedState, Entry, Page
from fq.brokers.records import ClaimedMessage, DeadKinds, DeadLetter, QueueStats, Status, WorkerStats
from fq.brokers.redis.shards.browsing import browse
from fq.brokers.redis.shards.carriers import OUTBOX, OWN
from fq.brokers.redis.shards.routing import Routing
from fq.brokers.redis.shards.shard import Shard
from fq.brokers.sights import COUNT_ALL, MOST_COUNTED, DeadKind
from fq.brokers.validation import check_names, check_search

LIVE = ("ready", "delayed", "running")

RANKS = {**dict.fromkeys(LIVE, 0), "dead": 1, "done": 2, "waiting": 3, "unknown": 4}
"""Of what several shards say of one id, the state of the lowest rank counts."""


class ShardedInspection:
    """Needs the shards of the broker."""

    _routing: Routing

    @property
    def shards(self) -> tuple[Shard, ...]:
        """The shards, whose number is that of the server."""
        raise NotImplementedError  # the broker has them

    def _home_first(self, message_id: str) -> Iterator[Shard]:
        """Yield the shard that *message_id* names, then the others: a message with a unique key is in the shard of that."""
        home = self._routing.of_message(message_id)
        yield self.shards[home]
        yield from (shard for shard in self.shards if shard.number != home)

    def status(self, message_id: str) -> Status:
        """Return where a message is."""
        check_names("message_id", message_id)
        found = Status(message_id, "unknown")
        for shard in self._home_first(message_id):
            status = with_shard(shard.status(message_id), shard.number, len(self.shards))
            if RANKS[status.state] < RANKS[found.state]:
                found = status
            if found.state in LIVE:
                break
        return found

    def queues(self, most: int = COUNT_ALL) -> tuple[QueueStats, ...]:
        """See `Broker.queues`."""
        found: dict[str, QueueStats] = {}
        for shard in self.shards:
            for stats in shard.queues(most):
                if stats.queue_name != OUTBOX:
                    found[stats.queue_name] = _sum_of(found.get(stats.queue_name, QueueStats(stats.queue_name)), stats)
        return tuple(found[name] for name in sorted(found))

    def workers(self) -> tuple[WorkerStats, ...]:
        """Return all workers with a lease, by name."""
        found: dict[str, WorkerStats] = {}
        for shard in self.shards:
            for stats in shard.workers():
                if not stats.worker.startswith(OWN):
                    before = found.get(stats.worker, WorkerStats(stats.worker, stats.lease_left, 0))
                    queues = tuple(sorted({*before.queues, *stats.queues} - {OUTBOX}))
                    left = max(before.lease_left, stats.lease_left)
                    found[stats.worker] = WorkerStats(stats.worker, left, before.in_flight + stats.in_flight, queues)
        return tuple(found[name] for name in sorted(found))

    def claimed_by(self, worker: str, limit: int = 100) -> tuple[ClaimedMessage, ...]:
        """Return up to *limit* of the messages that *worker* has claimed, the earliest claims first."""
        check_names("worker", worker)
        found = [each for shard in self.shards for each in shard.claimed_by(worker, limit) if each.queue_name != OUTBOX]
        return tuple(sorted(found, key=lambda each: each.since)[: max(0, limit)])

    def dead_letters(
        self,
        *,
        queue: str | None = None,
        actor: str | None = None,
        error: str | None = None,
        until: int | None = None,
        limit: int = 100,
    ) -> tuple[DeadLetter, ...]:
        """Return up to *limit* dead letters, the latest first, of one queue, actor or error type if named."""
        check_search(queue=queue, actor=actor, error=error)
        letters: Iterable[DeadLetter] = (
            letter
            for shard in self.shards
            for letter in shard.dead_letters(queue=queue, actor=actor, error=error, until=until, limit=limit)
        )
        return tuple(sorted(letters, key=lambda letter: -letter.died_at)[: max(0, limit)])

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
        """Return one page of the messages in *state*, of one queue, actor or type of error if named; their order is exact within each shard."""
        check_search(queue=queue, actor=actor, error=error)

        def look(shard: int, place: str, count: int) -> Page:
            page = self.shards[shard].browse(state, queue=queue, actor=actor, error=error, after=place, limit=count)
            return evolve(page, entries=tuple(self._entry(entry, shard) for entry in page.entries))

        return browse(look, len(self.shards), state, after, limit)

    def peek(self, message_id: str) -> Entry | None:
        """Return a message that waits, runs or is dead; None if there is none."""
        check_names("message_id", message_id)
        found: Entry | None = None
        for shard in self._home_first(message_id):
            entry = shard.peek(message_id)
            if entry is not None and (found is None or entry.status.state in LIVE):
                found = self._entry(entry, shard.number)
            if found is not None and found.status.state in LIVE:
                break
        return found

    def dead_kinds(self, most: int = MOST_COUNTED) -> DeadKinds:
        """Return the kinds of the 1,000 latest dead letters of each shard."""
        parts = [shard.dead_kinds(most) for shard in self.shards]
        found: dict[tuple[str, str, str], DeadKind] = {}
        for kind in (kind for part in parts for kind in part.kinds):
            name = kind.queue_name, kind.actor_name, kind.error
            found[name] = _both(found[name], kind) if name in found else kind
        return DeadKinds(tuple(found.values()), all(part.is_complete for part in parts))

    def _entry(self, entry: Entry, shard: int) -> Entry:
        return evolve(entry, status=with_shard(entry.status, shard, len(self.shards)))


def with_shard(status: Status, shard: int, count: int) -> Status:
    """Return *status* with the token that says that it is of *shard*, one of *count*."""
    return evolve(status, token=status.token * count + shard) if status.token else status


def _sum_of(one: QueueStats, other: QueueStats) -> QueueStats:
    return QueueStats(
        one.queue_name,
        one.ready + other.ready,
        one.delayed + other.delayed,
        one.in_flight + other.in_flight,
        one.dead + other.dead,
        max(one.oldest, other.oldest),
        one.paused or other.paused,
    )


def _both(one: DeadKind, other: DeadKind) -> DeadKind:
    """Return the letters of one kind in two shards as one."""
    latest = max(one, other, key=lambda kind: kind.last)
    return evolve(
        latest,
        count=one.count + other.count,
        first=min(one.first, other.first),
        is_at_least=one.is_at_least or other.is_at_least,
    )
