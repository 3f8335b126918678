"""`SendingOnCommit`: the part of an `App` that sends once the transaction of the caller's own database is committed. Mutable shell."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from fq.app.sending import Sending
from fq.calls.call import Call
from fq.calls.handle import Handle
from fq.core.outcome import Enqueue
from fq.errors import ConfigError

R = TypeVar("R")


class OnCommit(Protocol):
    """Calls a function once the open transaction is committed, and never if it is rolled back; without a transaction, at once."""

    def __call__(self, send: Callable[[], object], using: str | None, /) -> object:
        """Call *send* after the commit on the database *using*; None is the default database."""
        ...


class SendingOnCommit(Sending):
    """Sends calls after a commit, of which *on_commit* tells; None: it was not said how."""

    on_commit: OnCommit | None = None

    def send_on_commit(self, call: Call[R], using: str | None = None) -> Handle[R]:
        """Send *call* once the open transaction of the database *using* is committed: ``call.send_on_commit()`` calls this."""
        if self.on_commit is None:
            raise ConfigError(
                "send_on_commit: this app does not know of your transactions: use the app of fq.django, or say what calls a function after the "
                "commit: App(..., on_commit=...)"
            )
        message_id = call.chosen_id or self.new_message_id()
        self._start(call, message_id, self._broker.now())  # an error in the call is raised here, not at the commit
        self.on_commit(lambda: self.send_as(call, message_id), using)
        return self.handle_of(call, message_id)

    def new_message_id(self) -> str:
        """Return a new message id, for `send_as`."""
        return self._fresh_id(self._broker.now())

    def send_as(self, call: Call[R], message_id: str) -> tuple[Enqueue, ...]:
        """Send *call* under *message_id*, and return the messages that start it, as the layers have changed them."""
        return self.enqueue(*self._start(call, message_id, self._broker.now()))
