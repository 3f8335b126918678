"""`DeclaredQueues`: the queues that an app's workers claim from. Mutable shell."""

from collections.abc import Callable, Collection

from fq.calls.actor import check_queue_name
from fq.core.events import Event, QueueDeclared, QueueDeclaring
from fq.runtime.logger import logger

log = logger("fq")


class DeclaredQueues:
    """The names of an app's queues, in the order of declaration; an event is emitted for each."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._names: dict[str, None] = {}
        self._unserved: set[str] = set()

    def list(self, listed: Collection[str]) -> None:
        """
        Declare queues that no actor is declared with.

        Raises:
            DeclarationError: one of *listed* cannot name a queue.
        """
        for name in (listed,) if isinstance(listed, str) else listed:
            check_queue_name(name)
            self.declare(name)

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""
        return tuple(self._names)

    def declare(self, name: str) -> None:
        """Add *name*, unless it is there."""
        if name not in self._names:
            self._emit(QueueDeclaring(name))
            self._names[name] = None
            self._emit(QueueDeclared(name))

    def expect_workers(self, queue_name: str) -> None:
        """Warn, once a name, of a queue that no worker of the app claims from unless it is told to."""
        if queue_name not in self._names and queue_name not in self._unserved:
            self._unserved.add(queue_name)
            log.warning(
                "queue %s: no actor of this app is declared with it, so its workers do not claim from it; start one with --queues %s, or list it: "
                "App(..., queues=[%r])",
                queue_name,
                queue_name,
                queue_name,
            )
