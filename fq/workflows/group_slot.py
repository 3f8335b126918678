"""`GroupSlot`: which member of a group a message stands for. Continue with ``fq.workflows.pipeline``."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from attrs import evolve, field, frozen

from fq.core.derived_ids import child_id
from fq.core.frozen import EMPTY
from fq.core.reserved_options import GROUP
from fq.errors import OptionError
from fq.workflows.nodes import Pipeline, Shape, WireNode, as_pipeline, start_ids, start_shape


@frozen
class GroupSlot:
    """
    Where a message stands in a group.

    Attributes:
        group_id: the id of the group.

        number: which member it is, from 0; a message before an inner group stands for all members of that, and this is the first of their numbers.

        size: how many arrivals complete the group.

        nesting_depth: how many groups lie around the message, up to and including this one.

        pipeline: what starts when the group is complete.

        callbacks: calls that start then, too.

        outer_slots: the slots of what *pipeline* starts, if that is a group.

        shared_tail: what comes after *pipeline*, the slots of its end, and the shape of the group.

        callback_count: how many *callbacks* there are.

        starts: which messages start *pipeline*, as `start_shape` says.

    Only number 0 carries what all members share: *pipeline*, *callbacks*, *outer_slots* and *shared_tail*. The broker keeps it with the group. In messages
    of the release before, all members carry the first three.
    """

    group_id: str
    number: int
    size: int
    nesting_depth: int = 1
    pipeline: Pipeline = ()
    callbacks: Pipeline = ()
    outer_slots: tuple["GroupSlot", ...] = ()
    shared_tail: Mapping[str, object] = field(default=EMPTY)
    callback_count: int = 0
    starts: Shape = 1

    def as_json(self) -> dict[str, object]:
        """Return the wire form; fields that have their default are left out."""
        fields: dict[str, object] = {"id": self.group_id, "at": self.number, "of": self.size}
        if self.nesting_depth != 1:
            fields["depth"] = self.nesting_depth
        others = {
            "pipe": self.pipeline,
            "then": self.callbacks,
            "group": slots_as_json(self.outer_slots),
            "rest": self.shared_tail,
            "told": self.callback_count,
        }
        if self.starts != 1:
            others["starts"] = self.starts
        return fields | {name: value for name, value in others.items() if value}

    @classmethod
    def from_json(cls, fields: WireNode) -> "GroupSlot":
        """Return the slot whose wire form is *fields*."""
        try:
            return cls(
                cast(str, fields["id"]),
                cast(int, fields["at"]),
                cast(int, fields["of"]),
                cast(int, fields.get("depth", 1)),
                as_pipeline(fields.get("pipe", ())),
                as_pipeline(fields.get("then", ())),
                slots_from_json(fields.get("group", ())),
                cast("Mapping[str, object]", fields.get("rest", EMPTY)),
                cast(int, fields.get("told", 0)),
                cast(Shape, fields.get("starts", 1)),
            )
        except (LookupError, TypeError, AttributeError):
            raise OptionError(f"{GROUP}: found {fields!r}, expected the slot of a member, with id, at and of") from None

    def for_member(self, offset: int) -> "GroupSlot":
        """Return the slot of a member of an inner group that ends where this one does; *offset* numbers come before it."""
        if not offset:
            return evolve(self, nesting_depth=self.nesting_depth + 1)
        return GroupSlot(
            self.group_id,
            self.number + offset,
            self.size,
            self.nesting_depth + 1,
            callback_count=self.callback_count or len(self.callbacks),
            starts=start_shape(self.pipeline) if self.pipeline else self.starts,
        )

    def follow_up_ids(self) -> Iterator[str]:
        """Return the ids of all messages that start when the group is complete."""
        yield from (child_id(self.group_id, "then", at) for at in range(self.callback_count or len(self.callbacks)))
        yield from start_ids(start_shape(self.pipeline) if self.pipeline else self.starts, child_id(self.group_id, "pipe"))


def slots_as_json(slots: Sequence[GroupSlot]) -> tuple[dict[str, object], ...]:
    """Return the wire form of *slots*."""
    return tuple(slot.as_json() for slot in slots)


def slots_from_json(written: object) -> tuple[GroupSlot, ...]:
    """Return the slots whose wire form is *written*."""
    return tuple(map(GroupSlot.from_json, as_pipeline(written)))
