"""
`group` and `pipeline`: many calls as one, which is a `Call` itself, and so nests.

>>> from fq import App, group
>>> app = App("memory://")
>>> @app.actor
... def double(n: int) -> int:
...     return 2 * n
>>> @app.actor
... def total(numbers: list[int]) -> int:
...     return sum(numbers)
>>> handle = (group([double.call(1), double.call(2)]) | total).send()
>>> app.run_until_idle()
3
>>> handle.get_result()
6
"""

from collections.abc import Iterable, Mapping
from typing import Generic, Literal, Never, ParamSpec, Self, TypeAlias, TypeVar, cast, overload

from attrs import evolve, frozen

from fq.calls.actor import Actor
from fq.calls.call import Accepts, AcceptsOne, Call, CallSender, Chainable
from fq.calls.templates import CallTemplate, GroupTemplate, Node, concatenate
from fq.core.fault import Fault
from fq.errors import DeclarationError, StackError
from fq.layers.group_callbacks import GroupCallbacks
from fq.layers.pipelines import Pipelines
from fq.middleware.base import Middleware
from fq.workflows.pipeline import TAKES_LAST

Q = ParamSpec("Q")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)

OnFailure: TypeAlias = Literal["fail", "collect"]


@frozen
class Group(Call[R_co]):
    """
    Calls that run at the same time, as one call whose result is the list (or tuple) of theirs, in their order.

    What comes after it, by ``|`` or `then`, is enqueued by exactly one commit: that of the last member to have a final outcome.
    """

    owner: CallSender | None = None

    @property
    def app(self) -> CallSender:
        """The app that made it, or else that of its first actor."""
        return super().app if self.owner is None else self.owner

    def on_completion(self, step: Accepts[R_co, Q, object], /, *args: Q.args, **kwargs: Q.kwargs) -> Self:
        """Return this group with *step*, an actor, to be called with the results, too, besides whatever comes after the group."""
        stage = cast("CallTemplate", self.then(step, *args, **kwargs).stages[-1])
        fork = cast("GroupTemplate", self.stages[0])
        return evolve(self, stages=(evolve(fork, callbacks=(*fork.callbacks, stage)),))


@frozen
class ActorGroup(Generic[T_contra, R_co]):
    """A group of actors, each of which gets the result of the step before it: ``fetch.call(url) | group([parse, archive])``."""

    fork: GroupTemplate

    def call(self, value: T_contra, /) -> Call[R_co]:
        """Return the group of their calls with *value*."""
        return Call((evolve(self.fork, members=tuple((_called(first, value), *rest) for first, *rest in self.fork.members)),))

    def as_step(self, args: tuple[object, ...], kwargs: Mapping[str, object], takes: str) -> GroupTemplate:
        """Return the step that gets a result."""
        if args or kwargs:
            raise DeclarationError("found arguments for a group, expected them in its members")
        return self.fork


@frozen
class Grouping:
    """
    ``group`` and ``app.group``: makes a `Group` of calls, pipelines and groups; or a `ActorGroup` of actors.

    From a list, the result is a list; from calls that are arguments of their own, a tuple, each with its own type.

    *on_member_failure* says what becomes of a group when members fail for good, expire, are dropped or kill their process: ``"fail"``: what
    comes after it is a dead letter, `GroupFailed`; ``"collect"``: it gets a `Fault` in the place of each result that there is not.

    Raises:
        DeclarationError: a member that is none.
    """

    owner: CallSender | None = None

    @overload
    def __call__(self, members: Iterable[Call[R]], /, *, on_member_failure: Literal["fail"] = "fail") -> Group[list[R]]: ...
    @overload
    def __call__(self, members: Iterable[Call[R]], /, *, on_member_failure: Literal["collect"]) -> Group[list[R | Fault]]: ...
    @overload
    def __call__(
        self, members: Iterable[AcceptsOne[T, R]], /, *, on_member_failure: Literal["fail"] = "fail"
    ) -> ActorGroup[T, list[R]]: ...
    @overload
    def __call__(
        self, members: Iterable[AcceptsOne[T, R]], /, *, on_member_failure: Literal["collect"]
    ) -> ActorGroup[T, list[R | Fault]]: ...
    @overload
    def __call__(
        self, a: AcceptsOne[T, A], b: AcceptsOne[T, B], /, *, on_member_failure: Literal["fail"] = "fail"
    ) -> ActorGroup[T, tuple[A, B]]: ...
    @overload
    def __call__(
        self, a: AcceptsOne[T, A], b: AcceptsOne[T, B], c: AcceptsOne[T, C], /, *, on_member_failure: Literal["fail"] = "fail"
    ) -> ActorGroup[T, tuple[A, B, C]]: ...
    @overload
    def __call__(self, a: Call[A], b: Call[B], /, *, on_member_failure: Literal["fail"] = "fail") -> Group[tuple[A, B]]: ...
    @overload
    def __call__(self, a: Call[A], b: Call[B], /, *, on_member_failure: Literal["collect"]) -> Group[tuple[A | Fault, B | Fault]]: ...
    @overload
    def __call__(self, a: Call[A], b: Call[B], c: Call[C], /, *, on_member_failure: Literal["fail"] = "fail") -> Group[tuple[A, B, C]]: ...
    @overload
    def __call__(
        self, a: Call[A], b: Call[B], c: Call[C], /, *, on_member_failure: Literal["collect"]
    ) -> Group[tuple[A | Fault, B | Fault, C | Fault]]: ...
    @overload
    def __call__(
        self, a: Call[A], b: Call[B], c: Call[C], d: Call[D], /, *, on_member_failure: Literal["fail"] = "fail"
    ) -> Group[tuple[A, B, C, D]]: ...
    @overload
    def __call__(
        self, a: Call[A], b: Call[B], c: Call[C], d: Call[D], e: Call[E], /, *, on_member_failure: Literal["fail"] = "fail"
    ) -> Group[tuple[A, B, C, D, E]]: ...
    @overload
    def __call__(self, *members: Call[R], on_member_failure: Literal["fail"] = "fail") -> Group[tuple[R, ...]]: ...
    @overload
    def __call__(self, *members: Call[R], on_member_failure: Literal["collect"]) -> Group[tuple[R | Fault, ...]]: ...
    def __call__(self, *given: object, on_member_failure: OnFailure = "fail") -> object:
        """Return the group of *given*, or of what the only one of them holds."""
        if on_member_failure not in ("fail", "collect"):
            raise DeclarationError(f"on_member_failure: found {on_member_failure!r}, expected 'fail' or 'collect'")
        listed = len(given) == 1 and isinstance(given[0], Iterable)
        members = tuple(cast("Iterable[object]", given[0]) if listed else given)
        fork = GroupTemplate(tuple(map(_nodes, members)), on_member_failure, as_tuple=not listed)
        return (
            Group[object]((fork,), self.owner) if all(isinstance(member, Call) for member in members) else ActorGroup[Never, object](fork)
        )


group = Grouping()
"""Makes a group of calls: see `Grouping`. ``app.group`` is the same, and also takes an empty list when nothing comes after the group."""


def pipeline(steps: Iterable[Call[object] | Chainable], /) -> Call[object]:
    """
    Return the pipeline of *steps*, of calls, pipelines, groups and actors: ``a | b | c`` for lists that are made at run time.

    Raises:
        DeclarationError: no steps, or one that is none.
    """
    nodes: tuple[Node, ...] = ()
    for step in steps:
        found = _nodes(step) if nodes or isinstance(step, Call) else _first(step)
        nodes = concatenate(nodes, found) if nodes else found
    if not nodes:
        raise DeclarationError("found a pipeline of no steps, expected at least one")
    return Call(nodes)


def _nodes(step: object) -> tuple[Node, ...]:
    if isinstance(step, Call):
        return step.stages
    if isinstance(step, Chainable):
        return (step.as_step((), {}, TAKES_LAST),)
    raise DeclarationError(f"found {step!r}, expected a call, a group or an actor")


def _first(step: object) -> tuple[Node, ...]:
    """Return the nodes of an actor that comes first, and so gets no result."""
    if isinstance(step, Actor):
        return (step.stage((), {}),)
    raise DeclarationError(f"found {step!r} as the first step, expected a call")


def _called(node: Node, value: object) -> CallTemplate:
    """Return the call with *value* of an actor that waits for it."""
    if isinstance(node, CallTemplate) and not (node.args or node.kwargs):
        return node.actor.stage((value,), {})
    raise DeclarationError("found calls in a group of actors, which only a step before it can call: write step | group([...])")


def check(call: Call[object], app: CallSender) -> bool:
    """
    Let *call* pass if *app* can run all of it; return whether the broker will hear of all its ends.

    Raises:
        DeclarationError: an actor belongs to no app, or to another one.
        StackError: an actor's stack missing_arguments_error a layer without which the workflow would stop there.
    """
    needed, heard = _needed(call.stages), True
    for stage in call.all_calls():
        actor = stage.actor
        if actor.app is not app:
            raise DeclarationError(f"{actor.name} belongs to another app: {actor.app!r}, expected {app!r} as for what comes before it")
        for kind in needed:
            if kind not in app.stack_of(actor):
                stack = app.stack_of(actor)
                raise StackError(f"{actor.name} runs in a stack without {kind.__name__}, so that the workflow would stop there\n{stack}")
        heard = heard and GroupCallbacks in app.stack_of(actor)
    return heard


def _needed(nodes: tuple[Node, ...]) -> frozenset[type[Middleware]]:
    """Return the layers without which *nodes* would not run to their end."""
    needed: frozenset[type[Middleware]] = frozenset((Pipelines,)) if len(nodes) > 1 else frozenset()
    for at, node in enumerate(nodes):
        if isinstance(node, GroupTemplate):
            gathers = node.callbacks or at < len(nodes) - 1
            needed = needed.union((Pipelines, GroupCallbacks) if gathers else (), *map(_needed, node.members))
    return needed
