"""
How a group completes: each member reports by `Arrive`, as a success or a failure; what comes next finds all values in its last argument.

It is about messages that have a `fq.workflows.nodes.Place`. ``fq.layers.group_callbacks`` reports, ``fq.layers.pipelines`` opens what has been gathered.

An arrival is ``[value]``, or for a failure ``{"type": ..., "message": ...}`` with ``by``, whose it is, and ``depth``, in how many groups it
happened: none, if it was before the group. Number 0 has the `Place.rest` with it, so that what is common to all members travels once.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias, cast

from attrs import evolve
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from fq.core.derived_ids import child_id
from fq.core.fault import fault_data
from fq.core.frozen import EMPTY, frozen_dict
from fq.core.message import Message, evolve_message
from fq.core.outcome import Arrive, Drop, Outcome
from fq.core.reserved_options import GATHERED, GROUP, PIPE, WORKFLOW
from fq.errors import GroupFailed, LayerError, OptionError, SkipMessage
from fq.errors.exception_text import is_a
from fq.workflows.nodes import Pipe, Place, as_pipe
from fq.workflows.pipeline import (
    FIRST,
    LAST,
    NOTHING,
    Passed,
    count,
    end_of,
    ends,
    is_idle,
    nothing,
    stage_enqueue,
    start,
)

Arrival: TypeAlias = Mapping[str, object] | Sequence[object]

GROUP_TTL = 45 * 24 * 60 * 60 * 1000
"""How long a group is remembered after its latest arrival unless told otherwise, ms: 45 days, as `Retries` may take by its defaults."""

NAMED = 5
"""So many failed members are named in the text of `GroupFailed`."""

_SELF: Pipe = ({},)


def arrivals(message: Message, outcome: Outcome, ttl: int) -> Iterator[Arrive]:
    """
    Return what *message* has to report to its groups after *outcome*, for them to keep *ttl* ms.

    That is nothing while it will be retried or its pipe goes on. A failure speaks for all that would have come at the end of the pipe.
    """
    places = places_of(message)
    if not places or not outcome.final:
        return
    pipe = pipe_of(message)
    if not outcome.succeeded:
        for place in places:
            for number in range(count(end_of((*_SELF, *pipe)))):
                yield _arrive(message, place, number, _failure(message, outcome, place.depth), ttl)
    elif is_idle(pipe):
        value = nothing(pipe) if pipe else outcome.result.unwrap()
        for place in places:
            yield _arrive(message, place, 0, [value], ttl)


def overheard(message: Message, outcome: Outcome) -> Outcome:
    """Return *outcome* of *message* with the arrivals that were lost with all effects if a layer outside of `GroupCallbacks` raised."""
    lost = is_a(outcome.error, LayerError) and not any(isinstance(effect, Arrive) for effect in outcome.effects)
    return outcome.also(*arrivals(message, outcome, GROUP_TTL)) if lost else outcome


def _arrive(message: Message, place: Place, number: int, arrival: Arrival, ttl: int) -> Arrive:
    workflow = workflow_of(message)
    if place.group == workflow:  # all that counts there is how many have come
        return Arrive(place.group, place.member + number, place.size, 0, (), ttl)
    if number:
        return Arrive(place.group, place.member + number, place.size, arrival, (), ttl)
    if place.rest:
        arrival = {**arrival, "rest": place.rest} if isinstance(arrival, Mapping) else [*arrival, place.rest]
    passed = Passed(message.received_at, gathered=True, workflow=workflow)
    aside = evolve(passed, aside=True)
    told = (stage_enqueue(stage, child_id(place.group, "then", at), aside) for at, stage in enumerate(place.callbacks))
    following = start(place.pipe, child_id(place.group, "pipe"), passed, place.up) if place.pipe else ()
    return Arrive(place.group, place.member, place.size, arrival, (*told, *following), ttl)


def _failure(message: Message, outcome: Outcome, depth: int) -> dict[str, object]:
    setback = outcome.result.failure()
    told = fault_data(SkipMessage(setback.reason) if isinstance(setback, Drop) else setback.error)
    return {**told, "by": f"{message.actor_name} {message.message_id}", "depth": depth - _behind(message)}


def pipe_of(message: Message) -> Pipe:
    """Return what comes after *message*."""
    return as_pipe(message.options.get(PIPE, ())) or as_pipe(_rest(message).get("pipe", ()))


def workflow_of(message: Message) -> str:
    """Return the group at which the ends of the workflow of *message* arrive, ``""`` if it belongs to none."""
    found = message.options.get(WORKFLOW, "")
    return found if isinstance(found, str) else ""


def places_of(message: Message) -> tuple[Place, ...]:
    """Return the places that the end of the pipe of *message* has in groups."""
    return tuple(map(Place.from_json, as_pipe(message.options.get(GROUP, ())) or as_pipe(_rest(message).get("group", ()))))


def standing(message: Message) -> Iterator[tuple[Place, range]]:
    """Return the places of *message* in groups, each with the numbers that it stands for if it fails."""
    numbers = count(end_of((*_SELF, *pipe_of(message))))
    for place in places_of(message):
        yield place, range(place.member, place.member + numbers)


def unreached(message: Message) -> Iterator[str]:
    """Return the ids of the results that there will not be if the pipe of *message* ends with it."""
    pipe = pipe_of(message)
    return ends(pipe, child_id(message.message_id, "pipe")) if pipe else iter(())


def opened(message: Message) -> Result[Message, GroupFailed]:
    """
    Return *message*, to which the values of a group were appended, with the argument that its actor takes in their place.

    Or, where a member failed and the group's policy is to fail then, why the actor cannot be called.
    """
    *own, _ = message.args
    arrived = arrivals_before(message)
    settled = _settled(cast("list[object]", _from_first(arrived).get("shape", ["fail", len(arrived)])), arrived, 0, 1)
    if not is_successful(settled):
        return Failure(settled.failure())
    values, rest = settled.unwrap(), _rest(message)
    takes = _gathered(message).get("takes", LAST)
    options = {name: value for name, value in message.options.items() if name != GATHERED}
    options |= {own: rest[name] for name, own in (("pipe", PIPE), ("group", GROUP)) if name in rest}
    args = (values, *own) if takes == FIRST else (*own,) if takes == NOTHING else (*own, values)
    frozen = frozen_dict(options)
    origin = None if message.origin is None else (args, message.kwargs, frozen, message.origin[-1])
    return Success(evolve_message(message, args=args, options=frozen, origin=origin))


def legible(message: Message) -> Message:
    """Return *message* as its actor sees it; if members failed, so that it does not, as it is."""
    return opened(message).value_or(message) if GATHERED in message.options else message


def _behind(message: Message) -> int:
    """Return how many groups further out than *message* something failed: it may be of a group that the failed one was to start."""
    if GATHERED not in message.options or is_successful(opened(message)):
        return 0
    return cast(int, _gathered(message).get("below", 0)) - int(min(0, _depth(arrivals_before(message)[0])))


def _settled(shape: Sequence[object], arrived: Sequence[Arrival], at: int, depth: int) -> Result[list[object], GroupFailed]:
    """Return the values of a group of this *shape*, *depth* groups deep, whose arrivals begin at number *at*."""
    arrivals = list(_members(shape, arrived, at, depth))
    failures = [arrival for arrival in arrivals if isinstance(arrival, Mapping)]
    if failures and (shape[0] != "collect" or _depth(failures[0]) < depth):
        return Failure(GroupFailed(_named(failures, len(arrivals))))
    return Success([_told(arrival) if isinstance(arrival, Mapping) else arrival[0] for arrival in arrivals])


def _members(shape: Sequence[object], arrived: Sequence[Arrival], at: int, depth: int) -> Iterator[Arrival]:
    """Return one arrival for each member of a group; of a member that is, or ends in, a group, the list of its values, or its failure."""
    for part in shape[1:]:
        if isinstance(part, int):
            yield from arrived[at : at + part]
        elif count(part) and _depth(arrived[at]) <= depth:
            yield arrived[at]  # it never came to that group: what failed was before it
        else:
            settled = _settled(cast("Sequence[object]", part), arrived, at, depth + 1)
            yield [settled.unwrap()] if is_successful(settled) else {**fault_data(settled.failure()), "depth": depth}
        at += count(part)


def _depth(arrival: Arrival) -> float:
    """Return how deep a failure happened; infinitely, for a success."""
    return cast(int, arrival.get("depth", 1)) if isinstance(arrival, Mapping) else float("inf")


def _told(failure: Mapping[str, object]) -> dict[str, object]:
    return {name: failure.get(name, "") for name in ("type", "message")}


def _named(failures: Sequence[Mapping[str, object]], members: int) -> str:
    texts = [f"{failure.get('by', 'a group')}: {failure.get('type')}: {failure.get('message')}" for failure in failures[:NAMED]]
    more = [f"and {len(failures) - NAMED} more"] if len(failures) > NAMED else []
    return f"{len(failures)} of {members} members failed: {'; '.join(texts + more)}"


def _gathered(message: Message) -> Mapping[str, object]:
    return cast("Mapping[str, object]", message.options.get(GATHERED, EMPTY))


def arrivals_before(message: Message) -> Sequence[Arrival]:
    """Return what arrived at the group before *message*, which waits for that as its last argument, in the order of the members."""
    arrived = message.args[-1] if message.args else None
    if not isinstance(arrived, list) or not all(isinstance(each, Mapping) or (isinstance(each, list) and each) for each in arrived):
        raise OptionError(f"{GATHERED}: found {arrived!r} as the last argument, expected the arrivals of a group")
    return arrived


def _from_first(arrived: Sequence[Arrival]) -> Mapping[str, object]:
    """Return what number 0 carried for all."""
    first = arrived[0] if arrived else ()
    carried = first.get("rest", EMPTY) if isinstance(first, Mapping) else first[1] if len(first) > 1 else EMPTY
    return cast("Mapping[str, object]", carried)


def _rest(message: Message) -> Mapping[str, object]:
    """Return the part of what number 0 carried that is for *message*: callbacks are told the values, and continue nothing."""
    if GATHERED not in message.options or _gathered(message).get("aside", False):
        return EMPTY
    return _from_first(arrivals_before(message))
