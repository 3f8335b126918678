"""
`Mover`: takes carriers where they belong, and lets their operations be carried out there. Mutable shell.

A carrier is a message, so the worker that claims it holds it by its lease: if the worker dies, another one takes it there. Each step can be repeated:

1. A worker claims carriers in the shard where they were written.
2. Operations that only enqueue are carried out in the other shard as what follows a mark that is not there yet, named after the carrier. Of other
   operations, that mark brings a copy of the carrier, which the worker claims there. It commits that copy with the operations.
3. It commits the carrier, which is gone then.
4. The mark stays for some time: a worker that was stopped for long in between may still come to step 2.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from attrs import evolve

from fq.brokers.operations import ABSENT, EnqueueOp, SetMarkOp
from fq.brokers.records import ACK, Bury, ClaimRequest, Commit, Delivery, Turn
from fq.brokers.redis.shards.carriers import OUTBOX, OWN, Carrier, carrier_op, read_carrier
from fq.brokers.redis.shards.rewriting import for_shard
from fq.brokers.redis.shards.routing import Routing, grouped
from fq.brokers.redis.shards.shard import Shard
from fq.brokers.redis.turn_steps import TurnPart
from fq.core.fault import Fault
from fq.runtime.logger import logger

log = logger("fq.redis")

Hear: TypeAlias = Callable[[int, Turn], None]
"""Is told what a turn in a shard has brought beside carriers: what an earlier turn, which failed, has claimed, and what was cancelled."""

MOVES = TurnPart(takes_back=False)
"""Turns that are about carriers only: what dead workers hold is for other turns."""

MAX_CARRIERS = 250
"""One step moves this many carriers at most."""

UNCONFIRMED_MS = 45 * 24 * 60 * 60 * 1_000
"""For how long a shard remembers that it has had a carrier which its first shard may still have."""

CONFIRMED_MS = 120_000
"""For how long it remembers that afterwards: a worker may have been stopped for that long between two steps."""


class Mover:
    """Moves the carriers of *shards*, for the workers of this process."""

    def __init__(self, shards: Sequence[Shard], routing: Routing) -> None:
        self._shards = shards
        self._routing = routing
        self._held: dict[str, dict[int, list[Delivery]]] = {}

    def holds(self, worker: str) -> bool:
        """Does *worker* hold carriers since it could not move them to the end?"""
        return bool(self._held.get(worker))

    def forget(self, worker: str) -> None:
        """Forget *worker*, which is gone; others take back what it holds."""
        self._held.pop(worker, None)

    def move_all(self, worker: str, lease: int, sources: Iterable[int], hear: Hear) -> None:
        """Let *worker* move what is in the outboxes of *sources*, and what comes into others by that; *hear* is told what else its turns bring."""
        held = self._held.get(worker, {})
        todo = dict.fromkeys([*held, *sources])
        while todo:
            source = next(iter(todo))
            if source in held:
                todo |= dict.fromkeys(self.move(worker, lease, source, (), hear))
            turn = self._shards[source].turns.turn((), ClaimRequest(worker, (OUTBOX,), MAX_CARRIERS, lease), "", MOVES)
            carriers = [each for each in turn.deliveries if each.queue_name == OUTBOX]
            hear(source, without_carriers(turn))
            if carriers:
                todo |= dict.fromkeys(self.move(worker, lease, source, carriers, hear))
            else:
                del todo[source]

    def move(self, worker: str, lease: int, source: int, deliveries: Sequence[Delivery], hear: Hear) -> list[int]:
        """Move the carriers *deliveries*, which *worker* has claimed in *source*, and those that it holds; return which shards may have carriers now."""
        held = self._held.setdefault(worker, {})
        held[source] = [*held.get(source, ()), *deliveries]
        found = [(each, _carrier_in(each)) for each in held[source]]
        carriers = [(delivery, carrier) for delivery, carrier in found if isinstance(carrier, Carrier)]
        commits = [_buried(delivery, error) for delivery, error in found if isinstance(error, Exception)]
        with_carriers = [source]
        for to, parts in grouped(carriers, lambda pair: pair[1].to).items():
            if to == source:
                commits += self._carry_out(source, parts)
            else:
                commits += [_done(delivery) for delivery, _ in parts]
                self._shards[to].set_marks([_mark_op(*pair) for pair in parts])
                if not all(carrier.only_enqueues for _, carrier in parts):
                    with_carriers.append(to)
        hear(source, without_carriers(self._shards[source].turns.turn(commits, ClaimRequest(worker, (OUTBOX,), 0, lease), "", MOVES)))
        del held[source]
        self._confirm(carriers, source)
        return with_carriers

    def _carry_out(self, shard: int, parts: Sequence[tuple[Delivery, Carrier]]) -> list[Commit]:
        """Return commits that carry out, in *shard*, what carriers ask of it."""
        if cancelled := [delivery.message_id for delivery, carrier in parts if carrier.is_cancelled]:
            self._shards[shard].cancel_all(cancelled)  # then so is what continues their workflow, in the step that enqueues it
        return [_done(delivery, for_shard(self._routing, shard, carrier.operations).operations) for delivery, carrier in parts]

    def _confirm(self, carriers: Sequence[tuple[Delivery, Carrier]], source: int) -> None:
        """Let the marks of carriers that are gone end soon."""
        for to, parts in grouped(carriers, lambda pair: pair[1].to).items():
            if to != source:
                self._shards[to].set_marks([SetMarkOp(_mark_of(delivery), b"", CONFIRMED_MS) for delivery, _ in parts])


def _carrier_in(delivery: Delivery) -> Carrier | Exception:
    try:
        carrier = read_carrier(delivery.body)
    except (ValueError, TypeError, LookupError) as error:
        return error
    return evolve(carrier, is_cancelled=True) if delivery.interrupted == "cancelled" else carrier


def _done(delivery: Delivery, operations: Iterable[object] = ()) -> Commit:
    return Commit(delivery.message_id, OUTBOX, delivery.token, ACK, tuple(operations))  # type: ignore[arg-type]  # they are operations


def _buried(delivery: Delivery, error: Exception) -> Commit:
    """Return what makes a dead letter of what is no carrier, so that it does not keep the others back."""
    log.error("what was to go to another shard cannot be read, and is now a dead letter, %r: %s", delivery.message_id, error)
    fault = Fault(
        "DecodeError", f"found operations for another shard that cannot be read ({error}), expected those that this release of fq writes"
    )
    return Commit(delivery.message_id, OUTBOX, delivery.token, Bury(fault))


def _mark_of(delivery: Delivery) -> str:
    return f"{OWN}moved:{delivery.message_id}"


def _mark_op(delivery: Delivery, carrier: Carrier) -> SetMarkOp:
    """Return what takes *carrier* into another shard, unless that has had it."""
    enqueues = tuple(operation for operation in carrier.operations if isinstance(operation, EnqueueOp))
    then = enqueues if carrier.only_enqueues else (carrier_op(carrier, delivery.message_id),)
    return SetMarkOp(_mark_of(delivery), b"", UNCONFIRMED_MS, ABSENT, then=then)


def without_carriers(turn: Turn) -> Turn:
    """Return *turn* without what is about carriers."""
    return evolve(
        turn,
        deliveries=tuple(each for each in turn.deliveries if each.queue_name != OUTBOX),
        stale=tuple(each for each in turn.stale if not each.startswith(OWN)),
        cancelled=tuple(each for each in turn.cancelled if not each.startswith(OWN)),
    )
