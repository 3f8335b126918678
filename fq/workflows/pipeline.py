"""
What is left to run of a workflow, as it travels in messages: a *pipe* of nodes, as JSON, and how it starts.

A node is a *stage*, one call: ``{"actor_name": "add", "args": [1]}``; or a *fork*, the members of a group, all at once:
``{"members": [pipe, ...]}``. Where something has to start when all members of a fork are done, each of their messages has a `Place` in the
group, in its option ``fq.group``. How a group completes is the subject of ``fq.workflows.group_results``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from attrs import evolve, frozen

from fq.core.derived_ids import child_id
from fq.core.message import Message
from fq.core.outcome import Enqueue
from fq.core.reserved_options import GATHERED, GROUP, PIPE, WORKFLOW
from fq.errors import OptionError
from fq.workflows.nodes import Node, Pipe, Place, Shape, as_pipe, is_fork, members, places_as_json

FIRST, LAST, NOTHING = "first", "last", "nothing"
"""What a stage takes of the value that is passed on: as its first argument, as its last positional one (the default), or not at all."""


@frozen
class Passed:
    """
    What is passed on to the start of a pipe at the time *now*: *values*, none or one; or, where *gathered*, those of a group.

    These the broker appends. A callback of a group is told *aside*: it does not continue what comes after the group. Who gets them may be
    *below* the place in the pipe where they are passed on: inside of so many groups that start with them. *workflow* is the group at which the ends of
    the workflow arrive.
    """

    now: int
    values: tuple[object, ...] = ()
    gathered: bool = False
    aside: bool = False
    below: int = 0
    workflow: str = ""


def is_idle(pipe: Pipe) -> bool:
    """Is there nothing in *pipe* to run, only groups of nothing?"""
    return all(is_fork(node) and all(map(is_idle, members(node))) for node in pipe)


def nothing(pipe: Pipe) -> list[object]:
    """Return the value of an idle *pipe*: an empty list, or lists of them."""
    return [nothing(member) for member in members(pipe[-1])]


def shape(fork: Node) -> list[object]:
    """
    Return how the arrivals of *fork* are nested: its policy, then for each member its own shape, or 1; ones in a row are added up.

    >>> shape({"members": [{"actor_name": "a"}, {"actor_name": "b"}, {"members": [{"actor_name": "c"}], "policy": "collect"}]})
    ['fail', 2, ['collect', 1]]
    """
    inside: list[object] = [fork.get("policy", "fail")]
    for ending in map(end_of, members(fork)):
        if isinstance(ending, int) and isinstance(inside[-1], int):
            inside[-1] += ending
        else:
            inside.append(ending)
    return inside


def end_of(pipe: Pipe) -> Shape:
    """Return the shape of what arrives at the end of *pipe*: 1, or that of its last fork; for an idle fork, the message before it does."""
    ends_here = not is_fork(pipe[-1]) or (is_idle(pipe[-1:]) and not is_idle(pipe))
    return 1 if ends_here else shape(pipe[-1])


def count(shape: object) -> int:
    """Return how many arrivals *shape* stands for."""
    return sum(map(count, shape[1:])) if isinstance(shape, list) else cast(int, shape)


def start(pipe: Pipe, message_id: str, passed: Passed, places: Sequence[Place] = ()) -> Iterator[Enqueue]:
    """
    Return what has to be sent to start *pipe*.

    The id of its first node is *message_id*, which takes what is *passed* on, and the pipe's end has *places* in groups.
    """
    node, rest = pipe[0], pipe[1:]
    if not is_fork(node):
        yield stage_enqueue(node, message_id, passed, rest, places)
    elif not is_idle(pipe[:1]):
        yield from _fork(node, rest, message_id, passed, places)
    else:
        empty = nothing(pipe[:1])
        for at, callback in enumerate(as_pipe(node.get("callbacks", ()))):
            yield stage_enqueue(callback, child_id(message_id, "then", at), evolve(passed, values=(empty,), aside=True))
        for at, member in enumerate(members(node)):
            yield from start(member, child_id(message_id, at), evolve(passed, values=(empty,), aside=True))
        if rest:
            yield from start(rest, child_id(message_id, "pipe"), evolve(passed, values=(empty,)), places)


def _fork(fork: Node, rest: Pipe, message_id: str, passed: Passed, places: Sequence[Place]) -> Iterator[Enqueue]:
    form, callbacks = shape(fork), as_pipe(fork.get("callbacks", ()))
    offset = 0
    own = _own_place(rest, message_id, form, callbacks, places) if rest or callbacks else None
    outer = () if rest else places
    for at, member in enumerate(members(fork)):
        inner = tuple(place.inner(offset) for place in ((own, *outer) if own is not None else outer))
        yield from start(member, child_id(message_id, at), evolve(passed, below=passed.below + 1), inner)
        offset += count(end_of(member))


def _own_place(rest: Pipe, message_id: str, form: list[object], callbacks: Pipe, places: Sequence[Place]) -> Place:
    """Return the place around the members of a fork of its own: at depth 0, which `Place.inner` makes 1."""
    size, carried = count(form), {} if form == ["fail", count(form)] else {"shape": form}
    if rest and not is_fork(rest[0]):
        # A stage comes next: what is left after it travels with number 0 alone, and from there in the list of values.
        after = {"pipe": rest[1:], "group": places_as_json(places)}
        return Place(message_id, 0, size, 0, rest[:1], callbacks, (), carried | {name: value for name, value in after.items() if value})
    return Place(message_id, 0, size, 0, rest, callbacks, tuple(places) if rest else (), carried)


def stage_enqueue(stage: Node, message_id: str, passed: Passed, rest: Pipe = (), places: Sequence[Place] = ()) -> Enqueue:
    """Return what has to be sent to run *stage*, with *rest* to come after it, and *places* in groups for the end of that."""
    if not isinstance(stage.get("actor_name"), str):
        raise OptionError(f"{PIPE}: found the stage {stage!r}, expected one with an actor_name")
    given = cast("Mapping[str, object]", stage.get("options", {}))
    takes = NOTHING if given.get("pipe_ignore", False) else cast(str, stage.get("takes", LAST))
    own, values = tuple(cast("Sequence[object]", stage.get("args", ()))), () if takes == NOTHING else passed.values
    travelling = {PIPE: rest, GROUP: places_as_json(places), WORKFLOW: "" if passed.aside else passed.workflow}
    options = {**given, **{name: value for name, value in travelling.items() if value}}
    if passed.gathered:
        # With a value of its own beside it, what the broker appends is looked at only for failures.
        options[GATHERED] = {"takes": NOTHING if passed.values else takes, "aside": passed.aside, "below": passed.below}
    message = Message(
        message_id=message_id,
        actor_name=cast(str, stage["actor_name"]),
        queue_name=cast(str, stage.get("queue_name", "default")),
        args=(*values, *own) if takes == FIRST else (*own, *values),
        kwargs=cast("Mapping[str, object]", stage.get("kwargs", {})),
        options=options,
        message_timestamp=passed.now,
        priority=cast(int, stage.get("priority", 0)),
    )
    return Enqueue(message, cast(int, stage.get("delay", 0)), continues=True)


def start_workflow(pipe: Pipe, message_id: str, now: int) -> Iterator[Enqueue]:
    """Return what has to be sent to start *pipe*, a whole workflow, at the time *now*. All its ends arrive at a group, which tells when it is over."""
    over = Place(child_id(message_id, "over"), 0, count(end_of(pipe)), 0)
    return start(pipe, message_id, Passed(now, workflow=over.group), (over,))


def ends(pipe: Pipe, message_id: str) -> Iterator[str]:
    """Return the ids under which the results at the end of *pipe* are stored, its first node having the id *message_id*."""
    for _ in pipe[1:]:
        message_id = child_id(message_id, "pipe")
    if is_fork(pipe[-1]):
        for at, member in enumerate(members(pipe[-1])):
            yield from ends(member, child_id(message_id, at))
    else:
        yield message_id
