"""
The nodes of a pipe, as JSON, and `Place`, where a message stands in a group. Continue with ``fq.workflows.pipeline``.

A node is a *stage*, one call: ``{"actor_name": "add", "args": [1]}``; or a *fork*, the members of a group: ``{"members": [pipe, ...]}``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias, cast

from attrs import evolve, field, frozen

from fq.core.derived_ids import child_id
from fq.core.reserved_options import GROUP, PIPE
from fq.errors import OptionError

Node: TypeAlias = Mapping[str, object]
Pipe: TypeAlias = Sequence[Node]
Shape: TypeAlias = int | list[object]


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

        rest: the pipe after *pipe*, the places of its end, and the shape of the group.

        told: how many *callbacks* there are.

        starts: which messages *pipe* starts, as `starting` says.

    What is common to all members, which is *pipe*, *callbacks*, *up* and *rest*, only number 0 carries; the broker keeps it with the group. In messages of the
    release before, all members carry the first three.
    """

    group: str
    member: int
    size: int
    depth: int = 1
    pipe: Pipe = ()
    callbacks: Pipe = ()
    up: tuple["Place", ...] = ()
    rest: Mapping[str, object] = field(factory=dict)
    told: int = 0
    starts: Shape = 1

    def as_json(self) -> dict[str, object]:
        """Return the wire form; what has its default is left out."""
        fields: dict[str, object] = {"id": self.group, "at": self.member, "of": self.size}
        if self.depth != 1:
            fields["depth"] = self.depth
        others = {"pipe": self.pipe, "then": self.callbacks, "group": places_as_json(self.up), "rest": self.rest, "told": self.told}
        if self.starts != 1:
            others["starts"] = self.starts
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
                cast(int, fields.get("told", 0)),
                cast(Shape, fields.get("starts", 1)),
            )
        except (LookupError, TypeError, AttributeError):
            raise OptionError(f"{GROUP}: found {fields!r}, expected a place with id, at and of") from None

    def inner(self, offset: int) -> "Place":
        """Return the place of a member of a fork that ends where this one does; *offset* numbers come before it."""
        if offset:
            told, starts = self.told or len(self.callbacks), starting(self.pipe) if self.pipe else self.starts
            return Place(self.group, self.member + offset, self.size, self.depth + 1, told=told, starts=starts)
        return evolve(self, depth=self.depth + 1)

    def following(self) -> Iterator[str]:
        """Return the ids of all messages that start when the group is complete."""
        yield from (child_id(self.group, "then", at) for at in range(self.told or len(self.callbacks)))
        yield from _ids(starting(self.pipe) if self.pipe else self.starts, child_id(self.group, "pipe"))


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


def starting(pipe: Pipe) -> Shape:
    """
    Return which messages *pipe* starts: 1 for a stage; of a fork, that of each member, those in a row that are stages added up.

    >>> starting([{"members": [{"actor_name": "a"}, {"actor_name": "b"}, {"members": [{"actor_name": "c"}]}]}, {"actor_name": "d"}])
    [2, [1]]
    """
    if not is_fork(pipe[0]):
        return 1
    inside: list[object] = []
    for first in map(starting, members(pipe[0])):
        if isinstance(first, int) and inside and isinstance(inside[-1], int):
            inside[-1] += first
        else:
            inside.append(first)
    return inside


def _ids(starts: object, message_id: str) -> Iterator[str]:
    """Return the ids of the messages that are *started* under *message_id*."""
    if not isinstance(starts, list | tuple):
        yield message_id
        return
    at = 0
    for part in starts:
        for _ in range(part if isinstance(part, int) else 1):
            yield from _ids(part if not isinstance(part, int) else 1, child_id(message_id, at))
            at += 1
