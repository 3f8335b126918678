"""
How a group completes: each member reports its end by `Arrive`, and what comes after the group finds all results in its last argument.

``fq.layers.group_callbacks`` reports, ``fq.layers.pipelines`` resolves the results; ``fq.workflows.result_tree`` judges them. Number 0 reports the
`GroupSlot.shared_tail`, too, so that what all members share travels once.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

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
from fq.workflows.group_slot import GroupSlot, slots_from_json
from fq.workflows.nodes import Pipeline, as_pipeline, empty_value, end_count, end_shape, is_empty, result_ids
from fq.workflows.pipeline import TAKES_FIRST, TAKES_LAST, TAKES_NOTHING, StepInput, start, start_call
from fq.workflows.result_tree import Arrival, ResultTree, failure_depth

DEFAULT_GROUP_TTL_MS = 45 * 24 * 60 * 60 * 1000
"""How long a group is kept after its latest arrival: 45 days, as long as `Retries` may take by its defaults."""

_ITSELF: Pipeline = ({},)
"""A message as the first node of the pipeline that it starts."""


def arrivals(message: Message, outcome: Outcome, ttl: int) -> Iterator[Arrive]:
    """
    Return what *message* reports to its groups after *outcome*; they keep it for *ttl* ms.

    It reports nothing while it will be retried or its pipeline goes on. A failure is reported for each end that the pipeline would have had.
    """
    slots = slots_of(message)
    if not slots or not outcome.final:
        return
    pipeline = pipeline_of(message)
    if not outcome.succeeded:
        failure, offset, ends = _failure(message, outcome), _failure_offset(message), _ends(message)
        for slot in slots:
            for number in range(ends):
                yield _arrive(message, slot, number, {**failure, "depth": slot.nesting_depth - offset}, ttl)
    elif is_empty(pipeline):
        value = empty_value(pipeline) if pipeline else outcome.result.unwrap()
        for slot in slots:
            yield _arrive(message, slot, 0, [value], ttl)


def with_lost_arrivals(message: Message, outcome: Outcome) -> Outcome:
    """Return *outcome* of *message* with its arrivals, where a layer outside of `GroupCallbacks` raised and so lost all effects."""
    lost = is_a(outcome.error, LayerError) and not any(isinstance(effect, Arrive) for effect in outcome.effects)
    return outcome.also(*arrivals(message, outcome, DEFAULT_GROUP_TTL_MS)) if lost else outcome


def _arrive(message: Message, slot: GroupSlot, number: int, arrival: Arrival, ttl: int) -> Arrive:
    workflow = workflow_of(message)
    only_counted = slot.group_id == workflow
    if only_counted or number:
        return Arrive(slot.group_id, slot.number + number, slot.size, 0 if only_counted else arrival, (), ttl)
    if slot.shared_tail:
        arrival = {**arrival, "rest": slot.shared_tail} if isinstance(arrival, Mapping) else [*arrival, slot.shared_tail]
    given = StepInput(message.received_at, from_group=True, workflow=workflow)
    for_callback = evolve(given, is_callback=True)
    callbacks = (start_call(call, child_id(slot.group_id, "then", at), for_callback) for at, call in enumerate(slot.callbacks))
    following = start(slot.pipeline, child_id(slot.group_id, "pipe"), given, slot.outer_slots) if slot.pipeline else ()
    return Arrive(slot.group_id, slot.number, slot.size, arrival, (*callbacks, *following), ttl)


def _failure(message: Message, outcome: Outcome) -> dict[str, object]:
    setback = outcome.result.failure()
    fault = fault_data(SkipMessage(setback.reason) if isinstance(setback, Drop) else setback.error)
    return {**fault, "by": f"{message.actor_name} {message.message_id}"}


def _failure_offset(message: Message) -> int:
    """Return how many groups further out than *message* something failed: it may itself be in a group that did not start for that."""
    if GATHERED not in message.options or is_successful(resolve_group_values(message)):
        return 0
    return cast(int, _gathered(message).get("below", 0)) - int(min(0, failure_depth(arrivals_before(message)[0])))


def pipeline_of(message: Message) -> Pipeline:
    """Return what comes after *message*."""
    return as_pipeline(message.options.get(PIPE, ())) or as_pipeline(_shared_tail(message).get("pipe", ()))


def workflow_of(message: Message) -> str:
    """Return the group at which the ends of the workflow of *message* arrive, ``""`` if it belongs to none."""
    found = message.options.get(WORKFLOW, "")
    return found if isinstance(found, str) else ""


def slots_of(message: Message) -> tuple[GroupSlot, ...]:
    """Return the slots in groups of the end of the pipeline of *message*."""
    return slots_from_json(message.options.get(GROUP, ())) or slots_from_json(_shared_tail(message).get("group", ()))


def slots_with_numbers(message: Message) -> Iterator[tuple[GroupSlot, range]]:
    """Return the slots of *message*, each with the member numbers for which it reports a failure."""
    ends = _ends(message)
    return ((slot, range(slot.number, slot.number + ends)) for slot in slots_of(message))


def _ends(message: Message) -> int:
    """Return how many ends the pipeline has that *message* starts."""
    return end_count(end_shape((*_ITSELF, *pipeline_of(message))))


def unreachable_result_ids(message: Message) -> Iterator[str]:
    """Return the ids of the results that will never be stored if the pipeline of *message* ends with it."""
    pipeline = pipeline_of(message)
    return result_ids(pipeline, child_id(message.message_id, "pipe")) if pipeline else iter(())


def resolve_group_values(message: Message) -> Result[Message, GroupFailed]:
    """
    Return *message*, to which the arrivals of a group were appended, with the results where its actor takes them.

    Or, where members failed and the group's policy is to fail then, why the actor cannot be called.
    """
    arrived = arrivals_before(message)
    *own, _ = message.args
    shape = cast("Sequence[object]", _from_number_0(arrived).get("shape", ["fail", len(arrived)]))
    results = ResultTree.of(shape, arrived).results()
    if not is_successful(results):
        return Failure(results.failure())
    values, tail = results.unwrap(), _shared_tail(message)
    takes = _gathered(message).get("takes", TAKES_LAST)
    args = (values, *own) if takes == TAKES_FIRST else (*own,) if takes == TAKES_NOTHING else (*own, values)
    options = {name: value for name, value in message.options.items() if name != GATHERED}
    options |= {option: tail[name] for name, option in (("pipe", PIPE), ("group", GROUP)) if name in tail}
    frozen = frozen_dict(options)
    origin = None if message.origin is None else (args, message.kwargs, frozen, message.origin[-1])
    return Success(evolve_message(message, args=args, options=frozen, origin=origin))


def with_group_values(message: Message) -> Message:
    """Return *message* as its actor sees it; unchanged if its actor never sees it, since members failed."""
    return resolve_group_values(message).value_or(message) if GATHERED in message.options else message


def _gathered(message: Message) -> Mapping[str, object]:
    found = message.options.get(GATHERED, EMPTY)
    if not isinstance(found, Mapping):
        raise OptionError(f"{GATHERED}: found {found!r}, expected an object with takes, aside and below")
    return found


def arrivals_before(message: Message) -> Sequence[Arrival]:
    """Return what arrived at the group before *message*, in the order of the members: the broker has appended it to the arguments."""
    arrived = message.args[-1] if message.args else None
    if not isinstance(arrived, list) or not all(isinstance(each, Mapping) or (isinstance(each, list) and each) for each in arrived):
        raise OptionError(f"{GATHERED}: found {arrived!r} as the last argument, expected the arrivals of a group")
    return arrived


def _from_number_0(arrived: Sequence[Arrival]) -> Mapping[str, object]:
    """Return the shared tail, which number 0 has reported."""
    first = arrived[0] if arrived else ()
    carried = first.get("rest", EMPTY) if isinstance(first, Mapping) else first[1] if len(first) > 1 else EMPTY
    return cast("Mapping[str, object]", carried)


def _shared_tail(message: Message) -> Mapping[str, object]:
    """Return what the group before *message* passes on to it: nothing to a callback, after which the pipeline does not go on."""
    if GATHERED not in message.options or _gathered(message).get("aside", False):
        return EMPTY
    return _from_number_0(arrivals_before(message))
