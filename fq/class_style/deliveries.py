"""`Deliveries`: the views of the messages that run right now, and how a hook puts one of these back."""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fq.class_style.message_view import MessageView
from fq.core.frozen import EMPTY
from fq.core.message import Message, evolve_message
from fq.core.outcome import Retry
from fq.errors import BrokerError

if TYPE_CHECKING:
    from fq.class_style.broker_view import BrokerView


class Deliveries:
    """
    Mutable: the views of the deliveries that are under way.

    Each layer opens the view of a delivery, and closes it: when the last has, the view is forgotten. Between `enter` and `leave` a layer may
    change the outcome, so that a hook can put the message back.
    """

    def __init__(self) -> None:
        self._views: dict[tuple[str, int, int], MessageView] = {}
        self._uncommitted: dict[str, MessageView] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._views)

    def find(self, message: Message) -> MessageView | None:
        """Return the view of the delivery that *message* came with, or was made from as a retry; None if none is open."""
        return self._views.get((message.message_id, message.deliveries, message.received_at))

    def open(self, broker: "BrokerView", message: Message, defaults: Mapping[str, object] = EMPTY) -> MessageView:
        """Return the view of the delivery of *message*, with *defaults*, options of the actor, among its options."""
        key = (message.message_id, message.deliveries, message.received_at)
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = self._uncommitted[message.message_id] = MessageView(broker, message)
        if defaults:
            view.offer(defaults)
        view._users += 1
        return view

    def close(self, view: MessageView) -> None:
        """Give up a view that `open` returned."""
        view._users -= 1
        if view._users <= 0:
            view.clear_exception()
            message = view._message
            self._views.pop((message.message_id, message.deliveries, message.received_at), None)
            self.committed(view)

    def committed(self, view: MessageView) -> None:
        """Take it that the outcome of a delivery is committed: a message of its id is then one like any other."""
        if self._uncommitted.get(view.message_id) is view:
            del self._uncommitted[view.message_id]

    def uncommitted(self, message_id: str) -> MessageView | None:
        """Return the view of the delivery of *message_id* that has no outcome yet, None if there is none here."""
        return self._uncommitted.get(message_id)

    def enter(self, view: MessageView) -> None:
        """Let the layer that calls this change the outcome of a delivery, until it calls `leave`."""
        with self._lock:
            view._passages += 1

    def leave(self, view: MessageView) -> Retry | None:
        """Return what a hook has put back in the place of this delivery's message since the last layer left, None if nothing."""
        with self._lock:
            view._passages -= 1
            again, view._again = view._again, None
            return again

    def put_back(self, view: MessageView, message: Message, delay: int) -> None:
        """
        Let the outcome of a delivery be that *message* takes its place, to run after *delay* ms.

        Raises:
            BrokerError: no layer can change the outcome now.
        """
        live = view._message
        with self._lock:
            if view._passages == 0:
                raise BrokerError(
                    f"{message} runs right now, and its outcome can be changed no more: "
                    "put it back in before_process_message, after_process_message or after_skip_message; in an actor raise fq.Snooze"
                )
            view._again = Retry(evolve_message(message, received_at=live.received_at, deliveries=live.deliveries), delay)
