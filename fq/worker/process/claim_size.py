"""`claim_size`: how many messages a worker asks for, and from which queues, as a function of its `Load`. Pure."""

from collections.abc import Sequence
from enum import Enum

from attrs import frozen

from fq.execution.registry import Registry
from fq.worker.process.prefetch import MAX_CLAIM, Prefetch


class QueueKind(Enum):
    """A choice among the queues of a worker."""

    ALL = "all of them"
    SYNC = "those that have a sync actor"
    ASYNC = "those that have an async actor"
    ASYNC_ONLY = "those that have an async actor and no sync one"


@frozen
class Load:
    """
    What a worker has to do at one moment.

    Attributes:
        threads: how many sync actors may run at once.

        claimed: how many messages it has claimed and not finished.

        waiting: how many of them wait for a thread.

        on_loop: how many of them run on the event loop, or wait for it.

        quarantined: is one of them in quarantine, which has a thread of its own?

        returned: how many messages at the head of a queue this worker has handed back: they come again, and behind them there are others.

        heavy: are the claimed messages so large that no more should wait in this process?

        loop_used: has it had an async message yet?

        loop_room: how many async actors may begin now; 0 while the loop is blocked, or has handed messages back.

        threads_late: has the pool handed messages back a moment ago?
    """

    threads: int
    claimed: int = 0
    waiting: int = 0
    on_loop: int = 0
    quarantined: bool = False
    returned: int = 0
    heavy: bool = False
    loop_used: bool = False
    loop_room: int = 0
    threads_late: bool = False

    @property
    def free_threads(self) -> int:
        """How many threads run nothing."""
        return max(0, self.threads - (self.claimed - self.waiting - self.on_loop - self.quarantined))


@frozen
class ClaimSize:
    """Ask for up to *limit* messages from this *kind* of queues."""

    limit: int = 0
    kind: QueueKind = QueueKind.ALL


def claim_size(load: Load, prefetch: Prefetch) -> ClaimSize:
    """
    Return what to ask for.

    With no free thread, a worker asks for nothing from queues of sync actors, and with no room on its loop for nothing from those of async ones. For a
    queue of both it cannot know what will come: what cannot begin is handed back in time.
    """
    sync = sync_room(load, prefetch)
    if sync and not load.loop_used:
        return ClaimSize(sync)
    for_loop = prefetch.async_room(load.loop_room)
    if sync and for_loop:
        return ClaimSize(max(sync, for_loop))
    if sync:
        return ClaimSize(sync, QueueKind.SYNC)
    if for_loop:
        return ClaimSize(for_loop, QueueKind.ASYNC_ONLY if load.threads_late else QueueKind.ASYNC)
    return ClaimSize()


def sync_room(load: Load, prefetch: Prefetch) -> int:
    """Return how many sync messages to ask for."""
    free = load.free_threads
    room = max(0, min(MAX_CLAIM, free - load.waiting)) if load.heavy else prefetch.room(free, load.waiting)
    return room + load.returned if room else 0


class ClaimedQueues:
    """The queues that a worker claims from: those that are *named*, or else all that *registry* declares, now or later."""

    def __init__(self, registry: Registry, named: Sequence[str] = ()) -> None:
        self._registry = registry
        self._named = tuple(named)

    @property
    def all(self) -> tuple[str, ...]:
        """All of them."""
        return self._named or self._registry.queues.names

    def of(self, kind: QueueKind) -> tuple[str, ...]:
        """Return those of this *kind*. A queue that no declared actor uses may have messages of either."""
        match kind:
            case QueueKind.ALL:
                return self.all
            case QueueKind.SYNC:
                return self._with(is_async=False)
            case QueueKind.ASYNC:
                return self._with(is_async=True)
            case QueueKind.ASYNC_ONLY:
                mixed = set(self._with(is_async=False))
                return tuple(queue for queue in self._with(is_async=True) if queue not in mixed)

    def _with(self, is_async: bool) -> tuple[str, ...]:
        colours: dict[str, set[bool]] = {}
        for actor in self._registry.actors.values():
            colours.setdefault(actor.queue_name, set()).add(actor.signature.is_async)
        return tuple(queue for queue in self.all if is_async in colours.get(queue, (True, False)))
