"""`SlotRenewal`: the slots that this process holds, and the thread that renews them. Mutable shell."""

import os
import threading
from collections.abc import Callable
from time import monotonic

from fq.brokers.limits.policy import Slot
from fq.runtime.watched_threads import watched_thread

IDLE_THREAD_SECONDS = 5.0
"""How long the thread stays when no slot is held."""


class SlotRenewal:
    """
    Calls *renew* for every slot that is held, at every third of its ttl, until it is dropped.

    So a ttl may be short: it says how long a slot outlives a process that died with it, not how long it may be held. The thread starts with the first slot,
    and ends when none has been held for a while.
    """

    def __init__(self, renew: Callable[[Slot], None], idle_seconds: float = IDLE_THREAD_SECONDS) -> None:
        self._renew = renew
        self._idle_seconds = idle_seconds
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._due: dict[Slot, float] = {}
        self._owners: set[tuple[str, str]] = set()
        self._thread: threading.Thread | None = None
        self._asleep_until = 0.0

    def reserve(self, key: str, owner: str) -> bool:
        """Reserve the slot of *key* that *owner* has under its own name; return False if it has one in this process already."""
        self._begin_if_forked()
        with self._changed:
            is_new = (key, owner) not in self._owners
            self._owners.add((key, owner))
            return is_new

    def unreserve(self, key: str, owner: str) -> None:
        """Undo `reserve`."""
        with self._changed:
            self._owners.discard((key, owner))

    def hold(self, slot: Slot) -> None:
        """
        Renew *slot* from now on.

        Raises:
            RuntimeError: the system has no thread to spare.
        """
        self._begin_if_forked()
        due = monotonic() + slot.ttl / 3_000
        with self._changed:
            self._due[slot] = due
            if self._thread is None:
                self._start(slot)
            elif due < self._asleep_until:
                self._changed.notify()

    def _start(self, slot: Slot) -> None:
        """Start the thread. If that fails, *slot* is not held, and the next slot tries again."""
        thread = watched_thread("fq-limits", self._run)
        try:
            thread.start()
        except RuntimeError:
            del self._due[slot]
            raise
        self._thread = thread

    def drop(self, slot: Slot) -> None:
        """Stop renewing *slot*."""
        with self._changed:
            self._due.pop(slot, None)
            self._owners.discard((slot.key, slot.owner))

    def _begin_if_forked(self) -> None:
        if self._pid != os.getpid():
            self._begin()  # the parent renews what it holds

    def _run(self) -> None:
        while True:
            with self._changed:
                now = monotonic()
                due = [slot for slot, at in self._due.items() if at <= now]
                if not due:
                    self._asleep_until = min(self._due.values(), default=now + self._idle_seconds)
                    told = self._changed.wait(self._asleep_until - now)
                    if not told and not self._due:
                        self._thread = None
                        return
                    continue
                self._due.update((slot, now + slot.ttl / 3_000) for slot in due)
            for slot in due:
                self._renew(slot)
