"""`replayed`: what the layers of fq did with the latest error of a message, as text without its arguments."""

import builtins
import sys
from collections.abc import Iterator
from typing import cast

from attrs import fields
from returns.pipeline import is_successful

from fq.core.fault import Fault
from fq.core.message import Message
from fq.core.outcome import Dead, Drop, Outcome
from fq.errors import FqError
from fq.middleware.base import Step
from fq.middleware.explain import Explanation, Ring, explain
from fq.middleware.option_sources import with_option_sources
from fq.middleware.stack import Stack
from fq.web.site import Site
from fq.web.text import duration

OWN_LAYERS = "fq.layers."
"""The layers of these modules are pure steps, so that they can be replayed. Others may do anything when they are called."""


def replayed(site: Site, message: Message, fault: Fault) -> str:
    """Return what fq's own layers do with *message* when its actor fails with *fault*. The arguments of the message are not shown."""
    stack = site.app.registry.plan(message.actor_name).stack
    own = Stack(tuple(layer for layer in stack if isinstance(layer, Step) and type(layer).__module__.startswith(OWN_LAYERS)))
    try:
        return "\n".join(_lines(explain(own, message, stand_in(fault))))
    except Exception as error:  # a function of the user decides on retries
        return f"cannot be replayed here: {type(error).__name__}"


def _lines(explanation: Explanation) -> Iterator[str]:
    for depth, ring in enumerate(explanation.rings):
        yield from ("  " * depth + line for line in _of_ring(ring))
    yield f"outcome: {in_words(explanation.outcome)}"


def _of_ring(ring: Ring) -> Iterator[str]:
    yield str(with_option_sources(ring.layer, ring.entered.options))
    if ring.passed is None:
        yield f"  answered by itself: {in_words(ring.returned)}"
    elif changed := _changes(ring.entered, ring.passed):
        yield f"  in:  {changed}"
    if ring.answered is not None and ring.answered != ring.returned:
        before, after = in_words(ring.answered), in_words(ring.returned)
        yield f"  out: {before} became {after}" if before != after else f"  out: {after}, and what it leads to changed"


def _changes(before: Message, after: Message) -> str:
    """Return which fields differ, with the values of those that are numbers."""
    pairs = ((field.name, getattr(before, field.name), getattr(after, field.name)) for field in fields(Message))
    return ", ".join(
        f"{name}: {old} -> {new}" if isinstance(old, int | float) else f"{name} changed" for name, old, new in pairs if old != new
    )


def in_words(outcome: Outcome) -> str:
    """
    Return what happens to a message with *outcome*.

    >>> in_words(Outcome.failure(ValueError("no"))), in_words(Outcome.drop("too old"))
    ('dead letter (ValueError)', 'dropped (too old)')
    """
    if is_successful(outcome.result):
        return "success"
    setback = outcome.result.failure()
    if isinstance(setback, Drop):
        return f"dropped ({setback.reason})" if setback.reason else "dropped"
    why = f" ({type(setback.error).__name__})" if setback.error is not None else ""
    return f"dead letter{why}" if isinstance(setback, Dead) else f"tried again in {duration(setback.delay)}{why}"


def stand_in(fault: Fault) -> BaseException:
    """
    Return an exception in the place of the one that *fault* tells of: of the same class, if that is Python's or fq's, else of one with its name.

    >>> stand_in(Fault("ValueError", "no"))
    ValueError('no')
    """
    known = getattr(builtins, fault.type, None) or getattr(sys.modules[FqError.__module__], fault.type, None)
    if isinstance(known, type) and issubclass(known, Exception):
        try:
            return cast("BaseException", known(fault.message))
        except Exception:  # it wants other arguments
            known = None
    named: type[Exception] = type(fault.type or "Error", (Exception,), {})
    return named(fault.message)
