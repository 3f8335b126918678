"""
Orders to workers: to claim nothing, to claim again, to stop, or to say where their threads are. Marks of the broker carry them, whatever the host.

A worker program sees its orders at its next heartbeat, and deletes the mark of one that it has carried out. See ``fq.worker.order_desk``.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias, cast

from attrs import field, frozen

from fq.brokers.marks import MarkStore
from fq.brokers.operations import Mark, SetMarkOp
from fq.runtime.fresh_ids import fresh_id

Wanted: TypeAlias = Literal["quiet", "active", "stop"]
"""What a person wants a worker program to be. The latest order counts."""

ORDER_TTL_MS = 600_000
"""An order that no worker has seen after this time is forgotten."""

STACKS_TTL_MS = 600_000
"""How long stacks are kept."""


@frozen
class Order:
    """An order of the person *who*, or none: what is *wanted*. Two orders are told apart by their *order_id*."""

    order_id: str = ""
    wanted: str = ""
    who: str = ""


@frozen
class Stacks:
    """The stacks of a worker process: a *text*, the *order_id* that it answers, and when, ms since the epoch on the broker's clock."""

    text: str
    order_id: str
    at: int = 0


@frozen
class Orders:
    """What is asked of a worker program: to be something, and the *stacks* of its processes, an order for each name."""

    wanted: Order = Order()
    stacks: Mapping[str, Order] = field(factory=dict)


def wanted_key(program: str) -> str:
    """Return the key of the mark that says what *program* should be."""
    return f"worker-wanted:{program}"


def stacks_order_key(worker: str) -> str:
    """Return the key of the mark that asks *worker* for its stacks."""
    return f"worker-stacks-wanted:{worker}"


def stacks_key(worker: str) -> str:
    """Return the key of the mark with the stacks of *worker*."""
    return f"worker-stacks:{worker}"


def want(broker: MarkStore, programs: Iterable[str], wanted: Wanted, who: str, now: int) -> None:
    """Order *programs* to be quiet, to be active again, or to stop, for *who*."""
    broker.set_marks([_order_op(wanted_key(program), wanted, who, now) for program in programs])


def ask_for_stacks(broker: MarkStore, workers: Iterable[str], who: str, now: int) -> None:
    """Ask each of *workers* for its stacks, for *who*."""
    broker.set_marks([_order_op(stacks_order_key(worker), "stacks", who, now) for worker in workers])


def _order_op(key: str, wanted: str, who: str, now: int) -> SetMarkOp:
    return SetMarkOp(key, json.dumps({"order_id": fresh_id(now), "wanted": wanted, "who": who}).encode(), ttl=ORDER_TTL_MS)


def order_in(mark: Mark | None) -> Order:
    """Return the order in *mark*; an empty one if there is none, or if it cannot be read here."""
    try:
        written = json.loads(mark.body) if mark is not None else {}
        return Order(str(written.get("order_id", "")), str(written.get("wanted", "")), str(written.get("who", "")))
    except (ValueError, AttributeError):
        return Order()


def stacks_op(worker: str, stacks: Stacks) -> SetMarkOp:
    """Return the operation that publishes *stacks*."""
    return SetMarkOp(stacks_key(worker), json.dumps({"text": stacks.text, "order_id": stacks.order_id}).encode(), ttl=STACKS_TTL_MS)


def read_stacks(broker: MarkStore, workers: Iterable[str]) -> Mapping[str, Stacks]:
    """Return the latest stacks of those of *workers* that have some, by name."""
    keys = {stacks_key(worker): worker for worker in workers}
    found = broker.marks(list(keys)) if keys else {}
    return {keys[key]: _stacks_in(mark) for key, mark in found.items()}


def _stacks_in(mark: Mark) -> Stacks:
    written = cast("Mapping[str, str]", json.loads(mark.body))
    return Stacks(written["text"], written["order_id"], mark.until - STACKS_TTL_MS)


def pending(broker: MarkStore, programs: Sequence[str], workers: Sequence[str]) -> Mapping[str, Order]:
    """Return the orders that *programs* and *workers* have not carried out yet, by the name of the program or the worker."""
    keys = {**{wanted_key(program): program for program in programs}, **{stacks_order_key(worker): worker for worker in workers}}
    found = broker.marks(list(keys)) if keys else {}
    return {keys[key]: order_in(mark) for key, mark in found.items()}
