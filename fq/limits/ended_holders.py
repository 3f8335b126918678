"""
`EndedHolders`: gives back the slots of messages that have ended, or no longer run, without giving them back. Mutable shell.

A slot belongs to its message. A process that dies leaves the slot behind, and the message may then end without reaching its limit again: as poison,
expired, cancelled, discarded, or after a hard kill. The end of a message does not check for this, which would cost every message something; the holders
are checked when another message is refused.
"""

import threading
from time import monotonic
from weakref import ref

from fq.brokers.limits.policy import Slot
from fq.brokers.limits.store import LimitStore
from fq.brokers.protocol import Broker
from fq.errors import BrokerError
from fq.runtime.logger import logger

log = logger("fq.limits")

OF_CLAIMED_MESSAGE = "m"
"""Ends the token of a slot whose owner was claimed from the broker that keeps the slot. If that broker does not know the message any more, it has ended."""

OF_SOME_MESSAGE = "o"
"""Ends the token of a slot whose owner is a message, perhaps of another broker."""

LOOK_AGAIN_SECONDS = 1.0
"""A process checks the holders of a key no more often than this."""

MAX_HOLDERS = 16
"""How many holders are checked each time: those that expire first, since a slot in use is renewed."""

MAX_KEYS = 1_000


class EndedHolders:
    """Checks the holders of slots in *store*; their messages are in *broker*."""

    def __init__(self, store: LimitStore, broker: Broker, look_again_seconds: float = LOOK_AGAIN_SECONDS) -> None:
        self._store = store
        self._look_again_seconds = look_again_seconds
        self._broker = ref(broker)  # the broker owns the limits: a strong reference would be a circle
        self._looked: dict[str, float] = {}
        self._lock = threading.Lock()

    def give_back(self, key: str) -> bool:
        """Give back the slots of *key* whose messages have ended, or no longer run; were there any? Does nothing if the broker cannot be reached."""
        broker = self._broker()
        if broker is None or not self._may_look(key):
            return False
        try:
            found = [slot for slot in self._slots(key) if is_over(slot, broker.status(slot.owner).state)]
            given_back = [slot for slot in found if self._store.release(slot, learn=False)]
        except BrokerError as error:
            log.debug("the holders of %s cannot be checked: %s", key, error)
            return False
        if given_back:
            log.info("gave back %d slots of %s: their messages had ended without doing so", len(given_back), key)
        return bool(given_back)

    def _slots(self, key: str) -> list[Slot]:
        marks = (OF_CLAIMED_MESSAGE, OF_SOME_MESSAGE)
        return [Slot(key, owner, token) for owner, token in self._store.holders(key, MAX_HOLDERS) if token.endswith(marks)]

    def _may_look(self, key: str) -> bool:
        now = monotonic()
        with self._lock:
            if now - self._looked.get(key, -self._look_again_seconds) < self._look_again_seconds:
                return False
            if len(self._looked) >= MAX_KEYS:
                self._looked.clear()
            self._looked[key] = now
            return True


def is_over(slot: Slot, state: str) -> bool:
    """
    Has the message that owns *slot* ended, or been put back, if its broker says that it is in this *state*?

    >>> slot = Slot("mail", "m1", "0f" + OF_CLAIMED_MESSAGE)
    >>> is_over(slot, "running"), is_over(slot, "delayed"), is_over(slot, "unknown")
    (False, True, True)
    """
    return state in ("ready", "delayed", "dead", "done") or (state == "unknown" and slot.token.endswith(OF_CLAIMED_MESSAGE))
