"""
`group` and `pipeline` make one `Call` of many. Since the result is a `Call`, workflows nest.

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
from typing import Generic, Literal, Never, ParamSpec, Protocol, Self, TypeAlias, TypeVar, cast, overload

from attrs import evolve, frozen

from fq.calls.actor import Actor
from fq.calls.call import Accepts, AcceptsOne, Call, CallSender
from fq.calls.templates import Callee, CallTemplate, Chainable, GroupTemplate, StepTemplate, concatenate
from fq.core.fault import Fault
from fq.core.reserved_options import UNIQUE
from fq.errors import DeclarationError, StackError
from fq.layers.group_callbacks import GroupCallbacks
from fq.layers.pipelines import Pipelines
from fq.layers.unique import Unique
from fq.middleware.base import Middleware
from fq.middleware.stack import Stack
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
    Calls that run at the same time, as one call. Its result is the list (or tuple) of the members' results, in the order of the members.

    Exactly one commit enqueues the step after the group: that of the last member to have a final outcome.

    >>> from fq import App
    >>> app = App("memory://")
    >>> @app.actor
    ... def double(n: int) -> int:
    ...     return 2 * n
    >>> handle = app.group(double.call(n) for n in range(3)).send()
    >>> app.run_until_idle()
    3
    >>> handle.get_result()
    [0, 2, 4]
    """

    owner: CallSender | None = None

    @property
    def app(self) -> CallSender:
        """The app that made this group, or that of the first actor in it."""
        return super().app if self.owner is None else self.owner

    def on_completion(self, step: Accepts[R_co, Q, object], /, *args: Q.args, **kwargs: Q.kwargs) -> Self:
        """Return this group with a callback: the actor *step* gets the results, then *args* and *kwargs*, beside the step after the group."""
        callback = cast("CallTemplate", self.then(step, *args, **kwargs).steps[-1])
        template = cast("GroupTemplate", self.steps[0])
        return evolve(self, steps=(evolve(template, callbacks=(*template.callbacks, callback)),))


@frozen
class ActorGroup(Generic[T_contra, R_co]):
    """A group of actors. Each gets the result of the step before: ``fetch.call(url) | group([parse, archive])``."""

    template: GroupTemplate

    def call(self, value: T_contra, /) -> Call[R_co]:
        """Return the group of their calls with *value*."""
        members = tuple((_with_argument(first, value), *rest) for first, *rest in self.template.members)
        return Call((evolve(self.template, members=members),))

    def as_step(self, args: tuple[object, ...], kwargs: Mapping[str, object], takes: str) -> GroupTemplate:
        """Return this group as a step."""
        if args or kwargs:
            raise DeclarationError("found arguments for a group, expected none: give them to its members")
        return self.template


@frozen
class Grouping:
    """
    ``group`` and ``app.group``: makes a `Group` of calls, pipelines and groups, or an `ActorGroup` of actors.

    ``group([a, b])`` has a list as its result. ``group(a, b)`` has a tuple, in which each result keeps its type.

    *on_member_failure* says what happens when a member fails for the last time, expires, is dropped or kills its process. With ``"fail"``, the
    default, the step after the group is not called: it becomes a dead letter with `GroupFailed`. With ``"collect"``, that step gets a `Fault`
    in place of each missing result.

    Raises:
        DeclarationError: a member that is not a call, a group or an actor.
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
        """Return the group of *given*, or of the members in the only iterable given."""
        if on_member_failure not in ("fail", "collect"):
            raise DeclarationError(f"on_member_failure: found {on_member_failure!r}, expected 'fail' or 'collect'")
        listed = len(given) == 1 and isinstance(given[0], Iterable)
        members = tuple(cast("Iterable[object]", given[0]) if listed else given)
        template = GroupTemplate(tuple(map(_steps_of, members)), on_member_failure, as_tuple=not listed)
        if all(isinstance(member, Call) for member in members):
            return Group[object]((template,), self.owner)
        return ActorGroup[Never, object](template)


group = Grouping()
"""Makes a group of calls: see `Grouping`. Unlike ``app.group``, it knows no app, so an empty group that it makes cannot be sent alone."""


def pipeline(steps: Iterable[Call[object] | Chainable], /) -> Call[object]:
    """
    Return the pipeline of *steps*: calls, pipelines, groups and actors. It is ``a | b | c`` for steps in a list.

    Raises:
        DeclarationError: no steps, or a step that is not a call, a group or an actor.
    """
    joined: tuple[StepTemplate, ...] = ()
    for step in steps:
        added = _steps_of(step) if joined or isinstance(step, Call) else _first_step(step)
        joined = concatenate(joined, added) if joined else added
    if not joined:
        raise DeclarationError("found a pipeline without steps, expected at least one step")
    return Call(joined)


def _steps_of(step: object) -> tuple[StepTemplate, ...]:
    if isinstance(step, Call):
        return step.steps
    if isinstance(step, Chainable):
        return (step.as_step((), {}, TAKES_LAST),)
    raise DeclarationError(f"found {step!r}, expected a call, a group or an actor")


def _first_step(step: object) -> tuple[StepTemplate, ...]:
    """Return the first step of a pipeline, an actor that is called without arguments."""
    if isinstance(step, Actor):
        return (step.template((), {}),)
    raise DeclarationError(f"found {step!r} as the first step, expected a call")


def _with_argument(step: StepTemplate, value: object) -> CallTemplate:
    """Return the call with *value* of the actor in *step*."""
    if isinstance(step, CallTemplate) and not (step.args or step.kwargs):
        return step.actor.template((value,), {})
    raise DeclarationError("found a group of actors with calls in it, expected actors only: write step | group([...])")


class HasStacks(Protocol):
    """The app, as the check of a workflow sees it."""

    def stack_of(self, actor: Callee) -> Stack:
        """See `App.stack_of`."""
        ...


def check_workflow(call: Call[object], app: HasStacks) -> bool:
    """
    Check that *app* can run all of *call*. Return whether each stack reports the end of its call, which takes `GroupCallbacks`.

    Raises:
        DeclarationError: an actor belongs to no app, or to another app; or a call is unique that must arrive, whatever else is sent.
        StackError: an actor's stack lacks a layer that the workflow needs.
    """
    needed, reports_end, stacks = _needed_layers(call.steps), True, dict[Callee, Stack]()
    may_be_unique = isinstance(call.steps[0], CallTemplate)
    for template in call.all_calls():
        actor = template.actor
        if actor not in stacks:
            stacks[actor] = _checked_stack(actor, app, needed)
            reports_end = reports_end and GroupCallbacks in stacks[actor]
        if not may_be_unique:
            _check_not_unique(template, stacks[actor])
        may_be_unique = False
    return reports_end


def _checked_stack(actor: Callee, app: HasStacks, needed: frozenset[type[Middleware]]) -> Stack:
    if actor.app is not app:
        raise DeclarationError(f"{actor.name} belongs to another app: found {actor.app!r}, expected {app!r} as for the steps before it")
    stack = app.stack_of(actor)
    for kind in needed:
        if kind not in stack:
            raise StackError(f"{actor.name} runs in a stack without {kind.__name__}: the workflow would stop there\n{stack}")
    return stack


def _check_not_unique(template: CallTemplate, stack: Stack) -> None:
    if template.uniqueness is not None or (Unique in stack and UNIQUE not in template.options):
        raise DeclarationError(
            f"{template.actor.name} has a unique key, expected none: if another message held the key, the call would not be sent, and the workflow "
            "would stop there. Only the first step of a pipeline may be unique, if it is no group; write .unique(None) to send this call without its key"
        )


def _needed_layers(steps: tuple[StepTemplate, ...]) -> frozenset[type[Middleware]]:
    """Return the layers that *steps* need to run to their end."""
    needed: frozenset[type[Middleware]] = frozenset((Pipelines,)) if len(steps) > 1 else frozenset()
    for at, step in enumerate(steps):
        if isinstance(step, GroupTemplate):
            continues = step.callbacks or at < len(steps) - 1
            needed = needed.union((Pipelines, GroupCallbacks) if continues else (), *map(_needed_layers, step.members))
    return needed
