"""`Deliveries`: the views of the messages that run now. A hook uses it to put such a message back on its queue."""

import threading
from collections.abc import Mapping

from fq.class_style.message_view import BrokerPort, MessageView
from fq.core.frozen import EMPTY
from fq.core.message import Message, evolve_message
from fq.core.outcome import Retry
from fq.errors import BrokerError


class Deliveries:
    """
    Mutable: the views of the deliveries in progress.

    Each layer opens the view of a delivery and closes it later; the last `close` removes the view. Between `begin_run` and `end_run` a layer
    may change the outcome, so a hook can put the message back.
    """

    def __init__(self) -> None:
        self._views: dict[tuple[str, int, int], MessageView] = {}
        self._uncommitted: dict[str, MessageView] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._views)

    def find(self, message: Message) -> MessageView | None:
        """Return the view of the delivery of *message*, or of the message that it retries; None if no view is open."""
        return self._views.get((message.message_id, message.deliveries, message.received_at))

    def open(self, broker: BrokerPort, message: Message, defaults: Mapping[str, object] = EMPTY) -> MessageView:
        """Return the view of the delivery of *message*, with *defaults*, options of the actor, added to its options."""
        key = (message.message_id, message.deliveries, message.received_at)
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = self._uncommitted[message.message_id] = MessageView(broker, message)
        if defaults:
            view.add_defaults(defaults)
        view._users += 1
        return view

    def close(self, view: MessageView) -> None:
        """Release a view that `open` returned."""
        view._users -= 1
        if view._users <= 0:
            view.clear_exception()
            message = view._message
            self._views.pop((message.message_id, message.deliveries, message.received_at), None)
            self.committed(view)

    def committed(self, view: MessageView) -> None:
        """Record that the outcome of a delivery is committed: from now on, a message with its id is sent like any other."""
        if self._uncommitted.get(view.message_id) is view:
            del self._uncommitted[view.message_id]

    def uncommitted(self, message_id: str) -> MessageView | None:
        """Return the view of the delivery of *message_id* whose outcome is not committed; None if this process has none."""
        return self._uncommitted.get(message_id)

    def begin_run(self, view: MessageView) -> None:
        """Record that the calling layer can change the outcome of a delivery, until it calls `end_run`."""
        with self._lock:
            view._open_runs += 1

    def end_run(self, view: MessageView) -> Retry | None:
        """Return the retry that a hook has put back for this delivery since the last `end_run`; None if there is none."""
        with self._lock:
            view._open_runs -= 1
            replacement, view._replacement = view._replacement, None
            return replacement

    def put_back(self, view: MessageView, message: Message, delay: int) -> None:
        """
        Make *message* the retry of a delivery, to run after *delay* ms: that becomes its outcome.

        Raises:
            BrokerError: no layer can change the outcome any more.
        """
        live = view._message
        with self._lock:
            if view._open_runs == 0:
                raise BrokerError(
                    f"{message} runs now, and its outcome can no longer be changed: "
                    "put it back in before_process_message, after_process_message or after_skip_message; in an actor raise fq.Snooze"
                )
            view._replacement = Retry(evolve_message(message, received_at=live.received_at, deliveries=live.deliveries), delay)
