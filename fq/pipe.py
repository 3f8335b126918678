"""
What is left to run of a workflow, as it travels in messages: a *pipe* of nodes, as JSON, and how it starts.

A node is a *stage*, one call: ``{"actor_name": "add", "args": [1]}``; or a *fork*, the members of a group, all at once:
``{"members": [pipe, ...]}``. Where something has to start when all members of a fork are done, each of their messages has a `Place` in the
group, in its option ``fq.group``. How a group completes is the subject of `fq.gather`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias, cast

from attrs import evolve, field, frozen

from fq.errors import OptionError
from fq.identity import child_id
from fq.message import Message
from fq.outcome import Enqueue
from fq.own_options import GATHERED, GROUP, PIPE

Node: TypeAlias = Mapping[str, object]
Pipe: TypeAlias = Sequence[Node]
Shape: TypeAlias = int | list[object]

FIRST, LAST, NOTHING = "first", "last", "nothing"
"""What a stage takes of the value that is passed on: as its first argument, as its last positional one (the default), or not at all."""


@frozen
class Passed:
    """
    What is passed on to the start of a pipe at the time *now*: *values*, none or one; or, where *gathered*, those of a group.

    These the broker appends. A callback of a group is told *aside*: it does not continue what comes after the group. Who gets them may be
    *below* the place in the pipe where they are passed on: inside of so many groups that start with them.
    """

    now: int
    values: tuple[object, ...] = ()
    gathered: bool = False
    aside: bool = False
    below: int = 0


@frozen
class Place:
    """
    Where a message stands in a group.

    Attributes:
        group: the id of the group.

        member: its number, from 0; a message with more than one message at the end of its pipe stands for as many numbers, from this one.

        size: how many arrivals complete the group.

        depth: in how many groups, this one included, it stands inside of it.

        pipe: what starts when the group is complete.

        callbacks: stages that are told then, besides.

        up: the places of what *pipe* starts, if that is a fork.

        rest: what only number 0 has to carry: the pipe after *pipe*, the places of its end, and the shape of the group.
    """

    group: str
    member: int
    size: int
    depth: int = 1
    pipe: Pipe = ()
    callbacks: Pipe = ()
    up: tuple["Place", ...] = ()
    rest: Mapping[str, object] = field(factory=dict)

    def as_json(self) -> dict[str, object]:
        """Return the wire form; what has its default is left out."""
        fields: dict[str, object] = {"id": self.group, "at": self.member, "of": self.size}
        if self.depth != 1:
            fields["depth"] = self.depth
        others = {"pipe": self.pipe, "then": self.callbacks, "group": places_as_json(self.up), "rest": self.rest}
        return fields | {name: value for name, value in others.items() if value}

    @classmethod
    def from_json(cls, fields: Node) -> "Place":
        """Return the place whose wire form is *fields*."""
        try:
            return cls(
                cast(str, fields["id"]),
                cast(int, fields["at"]),
                cast(int, fields["of"]),
                cast(int, fields.get("depth", 1)),
                as_pipe(fields.get("pipe", ())),
                as_pipe(fields.get("then", ())),
                tuple(map(Place.from_json, as_pipe(fields.get("group", ())))),
                cast("Mapping[str, object]", fields.get("rest", {})),
            )
        except (LookupError, TypeError, AttributeError):
            raise OptionError(f"{GROUP}: found {fields!r}, expected a place with id, at and of") from None

    def inner(self, offset: int) -> "Place":
        """Return the place of a member of a fork that ends where this one does; *offset* numbers come before it."""
        return evolve(self, member=self.member + offset, depth=self.depth + 1, rest={} if offset else self.rest)


def places_as_json(places: Sequence[Place]) -> tuple[dict[str, object], ...]:
    """Return the wire form of *places*."""
    return tuple(place.as_json() for place in places)


def as_pipe(written: object) -> Pipe:
    """
    Return the pipe that is *written* in JSON: a list of nodes; of a single one, the node itself.

    Raises:
        OptionError: anything else.
    """
    nodes = (written,) if isinstance(written, Mapping) else written
    if not isinstance(nodes, list | tuple) or not all(isinstance(node, Mapping) for node in nodes):
        raise OptionError(f"{PIPE}: found {written!r}, expected a list of stages and groups")
    return nodes


def is_fork(node: Node) -> bool:
    """Is *node* the members of a group?"""
    return "members" in node


def members(fork: Node) -> tuple[Pipe, ...]:
    """Return the pipes of the members of *fork*."""
    found = fork["members"]
    if not isinstance(found, list | tuple):
        raise OptionError(f"{PIPE}: found the members {found!r}, expected a list of pipes")
    return tuple(map(as_pipe, found))


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
    travelling: dict[str, object] = {PIPE: rest, GROUP: places_as_json(places)}
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


def ends(pipe: Pipe, message_id: str) -> Iterator[str]:
    """Return the ids under which the results at the end of *pipe* are stored, its first node having the id *message_id*."""
    for _ in pipe[1:]:
        message_id = child_id(message_id, "pipe")
    if is_fork(pipe[-1]):
        for at, member in enumerate(members(pipe[-1])):
            yield from ends(member, child_id(message_id, at))
    else:
        yield message_id
