"""`Inspection`: the calls of a `RedisBroker` that look at messages, queues and workers. Mutable, like the broker."""

from fq.brokers.browsing import BrowsedState, Entry, Page
from fq.brokers.records import ClaimedMessage, DeadKinds, DeadLetter, QueueStats, Status, WorkerStats
from fq.brokers.redis import browsing, dead_kinds, inspection
from fq.brokers.redis.namespace import Namespace
from fq.brokers.sights import COUNT_ALL, MOST_COUNTED
from fq.brokers.validation import check_names, check_search


class Inspection:
    """Needs the namespace of the broker."""

    _namespace: Namespace

    def status(self, message_id: str) -> Status:
        """Return where a message is."""
        check_names("message_id", message_id)
        return inspection.status(self._namespace, message_id)

    def queues(self, most: int = COUNT_ALL) -> tuple[QueueStats, ...]:
        """See `Broker.queues`: the server knows how many messages there are."""
        return inspection.queues(self._namespace)

    def workers(self) -> tuple[WorkerStats, ...]:
        """Return all workers with a lease, by name."""
        return inspection.workers(self._namespace)

    def claimed_by(self, worker: str, limit: int = 100) -> tuple[ClaimedMessage, ...]:
        """Return up to *limit* of the messages that *worker* has claimed, the earliest claims first."""
        check_names("worker", worker)
        return inspection.claimed_by(self._namespace, worker, limit)

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
        return browsing.dead_letters(self._namespace, browsing.Search("dead", actor or "", error or ""), queue, limit, until)

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
        """Return one page of the messages in *state*, of one queue, actor or type of error if named."""
        check_search(queue=queue, actor=actor, error=error)
        return browsing.browse(self._namespace, browsing.Search(state, actor or "", error or ""), queue, after, limit)

    def peek(self, message_id: str) -> Entry | None:
        """Return a message that waits, runs or is dead; None if there is none."""
        check_names("message_id", message_id)
        return browsing.peek(self._namespace, message_id)

    def dead_kinds(self, most: int = MOST_COUNTED) -> DeadKinds:
        """Return the kinds of the 1,000 latest dead letters."""
        return dead_kinds.dead_kinds(self._namespace)
