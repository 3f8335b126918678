"""
Sends of messages with a unique key. `settle` does what the key says if another message holds it; `is_duplicate` tells whether the sender got that one.

A send that replaces takes two calls of the broker: one finds out who holds the key, the other puts the new message in the place of that one. In between, the
holder may begin or end, so the two are repeated a few times.
"""

from collections.abc import Callable
from typing import TypeAlias

from fq.brokers.protocol import Broker
from fq.brokers.records import EnqueueOp, Placement
from fq.core.message import Message
from fq.core.uniqueness import Uniqueness, id_key
from fq.errors import Duplicate

WithId: TypeAlias = Callable[[str], EnqueueOp]
"""Makes the same message with another id."""

MAX_ATTEMPTS = 5
"""How often a send tries to replace a message, while others take its key or free it."""


def settle(broker: Broker, message: Message, op: EnqueueOp, placement: Placement, with_id: WithId) -> Placement:
    """
    Return which message stands for *op*, of *message*, in the end: *placement* says which one does after the first call of the broker.

    A message that has begun is not replaced: its sender gets that one.

    Raises:
        Duplicate: another message holds the key, and this one says ``on_conflict="raise"``.
    """
    key = Uniqueness.in_options(message.options)
    if key is None or not is_duplicate(op, placement):
        return placement
    if key.on_conflict == "raise":
        raise Duplicate(placement.message_id, key.key)
    return _replace(broker, op, placement, with_id) if key.replaces else placement


def _replace(broker: Broker, op: EnqueueOp, placement: Placement, with_id: WithId) -> Placement:
    before = ""
    for _ in range(MAX_ATTEMPTS):
        holder = placement.message_id
        if placement.is_new or holder == op.message_id or broker.replace(with_id(holder)) or holder == before:
            break  # what two attempts could not replace has begun, or only its window holds the key
        before = holder
        (placement,) = broker.place((op,))
    return placement


def is_duplicate(op: EnqueueOp, placement: Placement) -> bool:
    """
    Does another send's message stand for *op*, as *placement* says?

    A message with the id of *op* that is not new is its own, which the broker got twice; unless its sender chose the id.
    """
    if placement.is_new:
        return False
    return placement.message_id != op.message_id or (op.unique is not None and op.unique.key == id_key(op.message_id))
