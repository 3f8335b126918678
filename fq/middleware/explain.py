"""`explain`: replays a message through a stack and shows what each layer did. Steps are pure, so this is safe and cheap."""

from collections.abc import Callable
from typing import cast

from attrs import asdict, frozen

from fq.core.message import Message
from fq.core.outcome import Outcome
from fq.middleware.base import Handler, Middleware
from fq.middleware.option_sources import with_option_sources
from fq.middleware.stack import Stack


@frozen
class Ring:
    """
    What one layer did: it got *entered*, passed *passed* inwards, got back *answered*, and returned *returned*.

    *passed* and *answered* are None if the layer did not call the next one.
    """

    layer: Middleware
    entered: Message
    passed: Message | None
    answered: Outcome | None
    returned: Outcome


@frozen
class Explanation:
    """The replay of one message: the rings that it reached, outermost first, and the outcome. ``str()`` draws them."""

    rings: tuple[Ring, ...]
    outcome: Outcome

    def __str__(self) -> str:
        lines = []
        for depth, ring in enumerate(self.rings):
            indent = "  " * depth
            lines.append(indent + str(with_option_sources(ring.layer, ring.entered.options)))
            if ring.passed is None:
                lines.append(f"{indent}  answered by itself: {ring.returned}")
            elif changed := _changes(ring.entered, ring.passed):
                lines.append(f"{indent}  in:  {changed}")
            if ring.answered is not None and ring.answered != ring.returned:
                lines.append(f"{indent}  out: {ring.answered} became {ring.returned}")
        return "\n".join([*lines, f"outcome: {self.outcome}"])


def explain(stack: Stack, message: Message, result: object | Callable[[Message], Outcome]) -> Explanation:
    """
    Return what each layer of *stack* does with *message* if the actor ends with *result*.

    *result* is a value that the actor returns, an exception that it raises, an `Outcome`, or a handler to call in its place.

    >>> from fq import compose, retries, time_limit
    >>> from fq.testing import message
    >>> print(explain(compose(retries(max_retries=0), time_limit(time_limit=5)), message("add", message_id="m1"), ValueError("no")))
    Retries(max_retries=0, min_backoff=15000, max_backoff=604800000)
      TimeLimit(time_limit=5, interval=1000)
        in:  time_limit: inf -> 5
    outcome: Outcome(result=<Failure: Dead(error=ValueError('no'))>, effects=())
    """
    reached: dict[int, Message] = {}  # by depth; if a layer calls the next one twice, the last call is shown
    answers: dict[int, Outcome] = {}
    depths = range(len(stack))
    handler = _recording(_as_handler(result), len(stack), reached, answers)
    for depth in reversed(depths):
        handler = _recording(stack.layers[depth].wrap(handler), depth, reached, answers)
    outcome = handler(message)
    rings = tuple(
        Ring(stack.layers[depth], reached[depth], reached.get(depth + 1), answers.get(depth + 1), answers[depth])
        for depth in depths
        if depth in reached
    )
    return Explanation(rings, outcome)


def _as_handler(result: object | Callable[[Message], Outcome]) -> Handler:
    if isinstance(result, Outcome):
        return lambda _: result
    if isinstance(result, BaseException):
        return lambda _: Outcome.raised(result)
    if callable(result):
        return cast(Handler, result)
    return lambda _: Outcome.success(result)


def _recording(handler: Handler, depth: int, reached: dict[int, Message], answers: dict[int, Outcome]) -> Handler:
    def recording(message: Message) -> Outcome:
        reached[depth] = message
        outcome = answers[depth] = handler(message)
        return outcome

    return recording


def _changes(before: Message, after: Message) -> str:
    old, new = asdict(before, recurse=False), asdict(after, recurse=False)
    return ", ".join(f"{name}: {old[name]!r} -> {new[name]!r}" for name in old if old[name] != new[name])
