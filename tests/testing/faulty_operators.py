"""Brokers that are each wrong in one way in what operators ask of them, requeue, cancel and mend: what a simulation with operators must find."""

from collections.abc import Collection, Iterable, Mapping

from fq.brokers.memory.items import GroupState
from fq.brokers.memory.operations import View
from fq.brokers.memory.state import MemoryState
from fq.brokers.records import OPEN_GROUP_TTL_MS, EnqueueOp, Operation
from fq.brokers.requeue import RequeuePlan, RequeuePlanner, RequeueView
from fq.execution.requeue_plan import restarted


class RequeuesAllButOne(MemoryState):
    """Takes all letters that were chosen off the dead, and forgets to post the last of several."""

    def requeue(self, message_ids: Iterable[str], plan: RequeuePlanner, now: int) -> int:
        before = set(self._items)
        count = super().requeue(message_ids, plan, now)
        posted = [item for message_id, item in self._items.items() if message_id not in before]
        if len(posted) > 1:
            self._delete(posted[-1], now)
        return count


class RequeuesUsedUp(MemoryState):
    """Posts a letter as it died, with all its retries used up."""

    def requeue(self, message_ids: Iterable[str], plan: RequeuePlanner, now: int) -> int:
        letters = {letter.message_id: letter.body for letter in self.dead_letters(list(message_ids), now)}
        count = super().requeue(letters, plan, now)
        for message_id, body in letters.items():
            if message_id in self._items:
                self._items[message_id].body = body
        return count


class KeepsLetters(MemoryState):
    """Posts a letter, and keeps it among the dead, too."""

    def requeue(self, message_ids: Iterable[str], plan: RequeuePlanner, now: int) -> int:
        chosen = {message_id: self._dead[message_id] for message_id in message_ids if message_id in self._dead}
        count = super().requeue(chosen, plan, now)
        for message_id, letter in chosen.items():
            if message_id in self._items:
                self._dead[message_id] = letter
                self._died.add((letter[0].died_at, letter[2], message_id))
                self.queue(letter[0].queue_name).counts["dead"] += 1
        return count


class LeavesGroups(MemoryState):
    """Requeues a letter, and leaves the groups alone that have failed with it."""

    def requeue(self, message_ids: Iterable[str], plan: RequeuePlanner, now: int) -> int:
        letters = list(self.dead_letters(dict.fromkeys(message_ids), now))
        for letter in letters:
            self._remove_letter(letter.message_id)
            self.place(EnqueueOp(letter.message_id, letter.queue_name, letter.actor_name, 0, 0, letter.body), now)
        return len(letters)


class ForgetsArrivals(MemoryState):
    """Opens a group again, and forgets who had arrived."""

    def requeue(self, message_ids: Iterable[str], plan: RequeuePlanner, now: int) -> int:
        chosen = list(dict.fromkeys(message_ids))
        reopened = plan(chosen, View(self, now), now).reopened
        count = super().requeue(chosen, plan, now)
        for one in reopened:
            self._groups.put(one.group, GroupState({}, one.then), now + OPEN_GROUP_TTL_MS)
        return count


class GoesOn(MemoryState):
    """Posts what comes after a cancelled message as if nothing had been."""

    def _apply(self, operation: Operation, now: int, cancelled: bool = False) -> None:
        super()._apply(operation, now)


class GoesOnAfterGroups(MemoryState):
    """Cancels messages, and lets come what comes after the groups."""

    def cancel(self, message_ids: Iterable[str], groups: Iterable[str], now: int) -> int:
        return super().cancel(message_ids, (), now)


class ForgetsCancels(MemoryState):
    """Takes back what a worker held, and forgets what of it was cancelled."""

    def release(self, name: str, interrupted: Mapping[str, str], counted: Collection[str] | None, now: int) -> int:
        if name in self._workers:
            for item in self._workers[name].held.values():
                item.cancelled = False
        return super().release(name, interrupted, counted, now)


class HidesCancels(MemoryState):
    """Cancels what is held, and does not tell who holds it."""

    def take_cancelled(self, worker: str) -> tuple[str, ...]:
        return ()


def ignores_groups(message_ids: Iterable[str], view: RequeueView, now: int) -> RequeuePlan:
    """A plan, which broker and ledger share, that posts letters and knows nothing of groups."""
    letters = view.dead_letters(list(dict.fromkeys(message_ids)))
    return RequeuePlan(tuple(restarted(op, now) for op in letters.values()))
