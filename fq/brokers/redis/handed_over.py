"""
`HandedOver`: the message that a producer's script has claimed for a worker while it waited, on its way to the worker's next turn. Mutable shell.

So a message that finds its worker idle is there after half a round trip of the producer and half a one of the worker, and costs it no turn.
``lua/enqueue_one.lua`` hands over one message at most until the worker's next turn has said that it had it: should the publication be lost, that turn
tells it.
"""

import threading

from fq.brokers.records import Delivery, new_delivery

FRESH_MS = 2_000
"""
For this long after the claim the worker may begin the message without asking: its lease runs for that long at least, says ``lua/enqueue_one.lua``.

Its process may have been stopped for longer.
"""


class HandedOver:
    """What has been published to the workers of this process. Its methods may be called by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrived: dict[str, Delivery] = {}
        self._known: dict[str, int] = {}

    def receive(self, worker: str, text: bytes) -> None:
        """Take in *text*, which was published to *worker*, unless the reply to a turn has told it already."""
        delivery = read_handed(text)
        with self._lock:
            if delivery.token > self._known.get(worker, 0):
                self._arrived[worker] = delivery

    def has_arrived(self, worker: str) -> bool:
        """Return whether there is something for *worker* to `take`."""
        return worker in self._arrived

    def take(self, worker: str, now: float) -> Delivery | None:
        """Return what has arrived for *worker*, once. *now*, by the server's clock, it may be too late: then the next turn tells it if it is still claimed."""
        with self._lock:
            delivery = self._arrived.pop(worker, None)
            if delivery is None or now >= delivery.received_at + FRESH_MS:
                return None
            self._known[worker] = delivery.token
            return delivery

    def drop(self, worker: str) -> None:
        """Forget what has arrived for *worker*."""
        self._arrived.pop(worker, None)

    def known_token(self, worker: str) -> str:
        """Return the token of the latest message that *worker* has taken, or was told of; ``"0"`` if there was none. What is still here may be told, too."""
        return str(self._known.get(worker, 0))

    def note_told(self, worker: str, token: int) -> None:
        """Note that the reply to a turn of *worker* has told the message that was handed over with *token*."""
        with self._lock:
            self._known[worker] = max(token, self._known.get(worker, 0))
            if (arrived := self._arrived.get(worker)) is not None and arrived.token <= token:
                del self._arrived[worker]


def read_handed(text: bytes) -> Delivery:
    r"""
    Return the message in *text*, as ``lua/enqueue_one.lua`` publishes it.

    >>> read_handed(b"7\x005\x00id\x000\x00default\x00add\x00{}").queue_name
    'default'
    """
    token, now, id_, _, queue, actor, body = text.split(b"\0", 6)
    return new_delivery(id_.decode(), queue.decode(), actor.decode(), body, int(token), 1, int(now), "")
