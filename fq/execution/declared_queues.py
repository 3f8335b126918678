"""`DeclaredQueues`: the queues that an app's workers claim from. Mutable shell."""

from collections.abc import Callable, Collection

from fq.calls.actor import check_queue_name
from fq.core.events import Event, QueueDeclared, QueueDeclaring
from fq.runtime.logger import logger

log = logger("fq")


class DeclaredQueues:
    """The names of an app's queues, in the order of declaration. Each new name emits `QueueDeclaring` and `QueueDeclared`."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._names: dict[str, None] = {}
        self._unserved: set[str] = set()

    def declare_all(self, names: Collection[str]) -> None:
        """
        Declare queues beside those of the actors.

        Raises:
            DeclarationError: one of *names* is not a valid queue name.
        """
        for name in (names,) if isinstance(names, str) else names:
            check_queue_name(name)
            self.declare(name)

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""
        return tuple(self._names)

    def declare(self, name: str) -> None:
        """Add *name*, if it is new."""
        if name not in self._names:
            self._emit(QueueDeclaring(name))
            self._names[name] = None
            self._emit(QueueDeclared(name))

    def expect_workers(self, queue_name: str) -> None:
        """See `App.expect_workers`."""
        if queue_name not in self._names and queue_name not in self._unserved:
            self._unserved.add(queue_name)
            log.warning(
                "queue %s: no actor of this app uses it, so the app's workers do not claim from it; start a worker with --queues %s, or list "
                "the queue: App(..., queues=[%r])",
                queue_name,
                queue_name,
                queue_name,
            )
