"""`GroupHandle`, the handle of a group; and `handle_for`, which makes the handle of whatever was sent."""

from collections.abc import Callable, Iterator
from typing import TypeAlias, TypeVar

from attrs import field, frozen
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from fq.brokers.records import Status
from fq.calls.handle import DEFAULT_RESULT_TIMEOUT_MS, Handle, ResultSource, TaskError, TaskHandle, countdown, ended
from fq.calls.templates import CallTemplate, Node
from fq.core.derived_ids import child_id
from fq.core.duration import Duration, to_ms
from fq.core.fault import Fault

R_co = TypeVar("R_co", covariant=True)


@frozen
class GroupHandle(Handle[R_co]):
    """The `Handle` of a group, or of a pipeline with a group at its end; its result is made of those of *members*."""

    message_id: str
    members: tuple[Handle[object], ...]
    stored: bool = field(repr=False)
    app: ResultSource = field(repr=False)
    collects: bool = field(default=False, repr=False)
    as_tuple: bool = field(default=False, repr=False)
    before: tuple[Handle[object], ...] = field(default=(), repr=False)
    callback_ids: tuple[str, ...] = field(default=(), repr=False)
    actor_name: str = "group"

    def get(self, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> Result[R_co, TaskError]:
        """See `Handle.get`."""
        left, values = countdown(to_ms(timeout)), list[object]()
        for part in self.awaited():
            if (missing := self._add(part.get(left()), values)) is not None:
                return Failure(missing)
        return self._made(values)

    async def aget(self, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> Result[R_co, TaskError]:
        """See `Handle.aget`."""
        left, values = countdown(to_ms(timeout)), list[object]()
        for part in self.awaited():
            if (missing := self._add(await part.aget(left()), values)) is not None:
                return Failure(missing)
        return self._made(values)

    def status(self) -> Status:
        """Return ``"done"`` or ``"running"``: a group is no message."""
        return Status(self.message_id, "done" if self.completed else "running")

    def parts(self) -> tuple[Handle[object], ...]:
        """See `Handle.parts`."""
        return self.members

    def message_ids(self) -> Iterator[str]:
        """See `Handle.message_ids`."""
        for part in (*self.before, *self.members):
            yield from part.message_ids()
        yield from self.callback_ids

    def group_ids(self) -> Iterator[str]:
        """See `Handle.group_ids`."""
        yield self.message_id
        for part in (*self.before, *self.members):
            yield from part.group_ids()

    def awaited(self) -> tuple[Handle[object], ...]:
        """Return the members; where there are none, the step before."""
        return self.members or self.before[-1:]

    @property
    def completed_count(self) -> int:
        """See `Handle.completed_count`."""
        return sum(map(ended(self.app, self.members), self.members))

    def _add(self, result: Result[object, TaskError], values: list[object]) -> TaskError | None:
        """Add what *result* comes to to *values*; or return why the group has none."""
        if is_successful(result):
            values.append(result.unwrap())
            return None
        error = result.failure()
        if not (self.collects and isinstance(error, Fault)):
            return error
        values.append(error)
        return None

    def _made(self, values: list[object]) -> Result[R_co, TaskError]:
        made = values if self.members else []
        return Success(tuple(made) if self.as_tuple else made)  # type: ignore[arg-type]  # R is what the group was made with


Stores: TypeAlias = Callable[[CallTemplate], bool]
"""Says whether the result of a call is stored."""


def handle_for(app: ResultSource, stores: Stores, nodes: tuple[Node, ...], message_id: str) -> Handle[object]:
    """Return the handle of *nodes*, sent as *message_id*."""
    if len(nodes) == 1:
        return _handle(app, stores, nodes[0], message_id)
    *earlier, last = nodes
    before: list[Handle[object]] = []
    for node in earlier:
        before.append(_handle(app, stores, node, message_id))
        message_id = child_id(message_id, "pipe")
    return _handle(app, stores, last, message_id, tuple(before))


def _handle(app: ResultSource, stores: Stores, node: Node, message_id: str, before: tuple[Handle[object], ...] = ()) -> Handle[object]:
    if isinstance(node, CallTemplate):
        return TaskHandle(message_id, node.actor.name, stores(node), node.actor.signature, app, before)
    members = tuple(handle_for(app, stores, member, child_id(message_id, at)) for at, member in enumerate(node.members))
    callback_ids = tuple(child_id(message_id, "then", at) for at in range(len(node.callbacks)))
    stored = all(member.stored for member in members)
    return GroupHandle(message_id, members, stored, app, node.policy == "collect", node.as_tuple, before, callback_ids)
