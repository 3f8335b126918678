"""
`HandedOver`: the message that a producer's script has claimed for a worker while it waited, on its way to the worker's next turn. Mutable shell.

So a message that finds its worker idle is there after half a round trip of the producer and half a one of the worker, and costs it no turn.
``lua/enqueue_one.lua`` hands over one message at most until the worker's next turn has said that it had it: should the publication be lost, that turn
tells it.
"""

import threading

from fq.brokers.records import Delivery, new_delivery


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
                self._known[worker] = delivery.token
                self._arrived[worker] = delivery

    def take(self, worker: str) -> Delivery | None:
        """Return what has arrived for *worker*, once."""
        if not self._arrived:
            return None
        with self._lock:
            return self._arrived.pop(worker, None)

    def known_token(self, worker: str) -> str:
        """Return the token of the latest message that was handed to *worker*, as far as is known here; ``"0"`` if there was none."""
        return str(self._known.get(worker, 0))

    def note_told(self, worker: str, token: int) -> None:
        """Note that the reply to a turn of *worker* has told the message that was handed over with *token*."""
        with self._lock:
            if token > self._known.get(worker, 0):
                self._known[worker] = token
            elif (arrived := self._arrived.get(worker)) is not None and arrived.token == token:
                del self._arrived[worker]


def read_handed(text: bytes) -> Delivery:
    r"""
    Return the message in *text*, as ``lua/enqueue_one.lua`` publishes it.

    >>> read_handed(b"7\x005\x00id\x000\x00default\x00add\x00{}").queue_name
    'default'
    """
    token, now, id_, _, queue, actor, body = text.split(b"\0", 6)
    return new_delivery(id_.decode(), queue.decode(), actor.decode(), body, int(token), 1, int(now), "")
