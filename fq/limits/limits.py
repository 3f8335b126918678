"""`Limits`: takes slots and gives them back, for threads and coroutines. Mutable shell: it knows what this process holds."""

import asyncio
import secrets
import threading
from collections.abc import Callable
from contextvars import copy_context

from attrs import evolve, frozen

from fq.brokers.limits.policy import AcquireRequest, Limit, Refused, Slot, Slots
from fq.brokers.limits.store import LimitStore
from fq.brokers.protocol import Broker
from fq.errors import BrokerError
from fq.layers.current_message import get_current_message
from fq.limits.ended_holders import LOOK_AGAIN_SECONDS, OF_CLAIMED_MESSAGE, OF_SOME_MESSAGE, EndedHolders
from fq.limits.slot_renewal import SlotRenewal
from fq.runtime.interrupt_mask import shields
from fq.runtime.logger import logger

log = logger("fq.limits")


@shields("take", "take_in_turn", "give_back")
class Limits:
    """
    The base of limiters and barriers, on top of *store*; `limiter_backend` returns the one of an app or a broker.

    >>> from fq.limits import Slots, limiter_backend
    >>> limits, one = limiter_backend("memory://"), Slots(1, ttl=1_000)
    >>> slot = limits.take("mail", one)
    >>> limits.take("mail", one)
    Refused(retry_in=...)
    >>> limits.give_back(slot)
    """

    def __init__(self, store: LimitStore, broker: Broker | None = None, look_again_seconds: float = LOOK_AGAIN_SECONDS) -> None:
        self.store = store
        self._ended = EndedHolders(store, broker, look_again_seconds) if broker is not None else None
        self._renewal = SlotRenewal(self._renew)

    def take(self, key: str, limit: Limit) -> Slot | Refused:
        """
        Take a slot of *key*, if one is free.

        Inside an actor it belongs to the message: if the process dies, the message's next delivery takes it over.
        """
        message = get_current_message()
        if message is None:
            return self._take(_SlotWanted(key, limit))
        return self._take_for(_SlotWanted(key, limit, message.message_id, message.priority, OF_SOME_MESSAGE))

    def take_in_turn(self, key: str, limit: Limit, owner: str, priority: int = 0, *, is_claimed: bool = False) -> Slot | Refused:
        """
        Take a slot of *key* for the message *owner*, if one is free and it is its turn. If it is refused, it gets a place in the line, and is expected back.

        *is_claimed*: has a worker claimed the message from the broker that keeps the slots?
        """
        return self._take_for(
            _SlotWanted(key, limit, owner, priority, OF_CLAIMED_MESSAGE if is_claimed else OF_SOME_MESSAGE, queues_up=True)
        )

    def give_back(self, slot: Slot, learn: bool = True) -> None:
        """Give *slot* back, and *learn* how long slots are held. This may be late or repeated; a slot that cannot be given back expires."""
        if not slot.ttl:
            return
        self._renewal.drop(slot)
        try:
            if not self.store.release(slot, learn):
                log.warning("a slot of %s had expired, or was taken over, before it was given back", slot.key)
        except BrokerError as error:
            log.warning("a slot of %s could not be given back, and expires in at most %d ms: %s", slot.key, slot.ttl, error)

    async def atake(self, take: Callable[[], Slot | Refused]) -> Slot | Refused:
        """Run *take*, one of the methods above, in a thread. If the caller is cancelled meanwhile, the slot is given back."""
        handover = _Handover(take, self.give_back)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(None, copy_context().run, handover)
        except asyncio.CancelledError:
            handover.abandon()
            raise

    async def agive_back(self, slot: Slot, learn: bool = True) -> None:
        """`give_back` for coroutines. It is done even if the caller is cancelled."""
        if slot.ttl:
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self.give_back, slot, learn))

    def _take_for(self, wanted: "_SlotWanted") -> Slot | Refused:
        """Take a slot under the name of its owner. An owner has only one such slot in this process: for others, the attempt is the owner."""
        name = wanted.limit.name(wanted.key)
        if not isinstance(wanted.limit, Slots):
            return self._take(wanted)
        if not self._renewal.reserve(name, wanted.owner):
            return self._take(evolve(wanted, owner=wanted.owner if wanted.queues_up else "", mark=""))
        answer: Slot | Refused | None = None
        try:
            answer = self._take(wanted)
            return answer
        finally:
            if not isinstance(answer, Slot):
                self._renewal.unreserve(name, wanted.owner)

    def _take(self, wanted: "_SlotWanted") -> Slot | Refused:
        limit, token = wanted.limit, secrets.token_hex(8) + wanted.mark
        request = AcquireRequest(limit.name(wanted.key), limit, wanted.owner or token, token, wanted.queues_up, wanted.priority)
        answer = self.store.take(request)
        if isinstance(answer, Refused) and isinstance(limit, Slots) and self._ended is not None and self._ended.give_back(request.key):
            answer = self.store.take(request)
        if isinstance(answer, Refused):
            return answer
        slot = Slot(request.key, request.owner, token, limit.ttl if isinstance(limit, Slots) else 0)
        if slot.ttl:
            try:
                self._renewal.hold(slot)
            except RuntimeError:  # there is no thread to spare: without renewal the slot would expire while it is held
                self.give_back(slot)
                raise
        return slot

    def _renew(self, slot: Slot) -> None:
        try:
            if not self.store.renew(slot):
                log.debug("a slot of %s was given back, or had expired, before it was renewed", slot.key)
        except BrokerError as error:
            log.warning("a slot of %s could not be renewed, trying again: %s", slot.key, error)


@frozen
class _SlotWanted:
    """A request for a slot, by *owner* if not ""; *mark* goes into its token."""

    key: str
    limit: Limit
    owner: str = ""
    priority: int = 0
    mark: str = ""
    queues_up: bool = False


class _Handover:
    """Mutable: a slot on its way from a thread to a coroutine, which may be cancelled before it arrives."""

    def __init__(self, take: Callable[[], Slot | Refused], give_back: Callable[[Slot], None]) -> None:
        self._take = take
        self._give_back = give_back
        self._lock = threading.Lock()
        self._abandoned = False
        self._slot: Slot | None = None

    def __call__(self) -> Slot | Refused:
        """Take a slot, and give it back at once if the coroutine was cancelled."""
        answer = self._take()
        if isinstance(answer, Slot):
            with self._lock:
                self._slot = answer
                abandoned = self._abandoned
            if abandoned:
                self._give_back(answer)
        return answer

    def abandon(self) -> None:
        """Give the slot back when it arrives, or now."""
        with self._lock:
            self._abandoned = True
            slot = self._slot
        if slot is not None:
            threading.Thread(target=self._give_back, args=(slot,), daemon=True).start()
