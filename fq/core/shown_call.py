"""`shown_call`: a call as text for logs, with its arguments shown as types and sizes unless their values are asked for. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from itertools import chain, repeat
from typing import TypeAlias

from fq.core.fault import shortened
from fq.core.message import Message

Redact: TypeAlias = bool | Callable[[str, object], object]
"""
How the arguments of a call are shown.

True: as types and sizes. False: as values. A function of the name and the JSON value of an argument: as the `repr` of what it returns.
"""

MAX_CALL_CHARS = 1_000
"""How much of a call is shown."""


def shown_call(message: Message, redact: Redact = True, names: Sequence[str] = ()) -> str:
    """
    Return the call of *message* as text. *names* are those of its positional parameters, for a function *redact*.

    >>> message = Message(message_id="m1", actor_name="pay", args=(17, "4000 1234"), kwargs={"items": [1, 2]})
    >>> shown_call(message)
    'pay(int, str of 9, items=list of 2)'
    >>> shown_call(message, redact=False)
    "pay(17, '4000 1234', items=[1, 2])"
    >>> shown_call(message, lambda name, value: "***" if name == "card" else value, ("order", "card"))
    "pay(17, '***', items=[1, 2])"
    """
    if redact is False:
        return shortened(str(message), MAX_CALL_CHARS)
    return shortened(f"{message.actor_name}({shown_arguments(message.args, message.kwargs, redact, names)})", MAX_CALL_CHARS)


def shown_arguments(args: Sequence[object], kwargs: Mapping[str, object], redact: Redact = True, names: Sequence[str] = ()) -> str:
    """
    Return the arguments of a call as text, as `shown_call` does.

    >>> shown_arguments((17, "4000 1234"), {"items": [1, 2]})
    'int, str of 9, items=list of 2'
    """
    return ", ".join(_arguments(args, kwargs, redact, names))


def shown_value(name: str, value: object, redact: Redact = True) -> str:
    """Return the argument *value*, called *name*, as text."""
    if redact is True:
        return _type_and_size(value)
    try:
        return repr(value if redact is False else redact(name, value))
    except Exception as error:
        return f"<redact raised {type(error).__name__}>"


def _arguments(args: Sequence[object], kwargs: Mapping[str, object], redact: Redact, names: Sequence[str]) -> Iterator[str]:
    last = names[-1] if names else ""  # of *args, perhaps
    for name, value in zip(chain(names, repeat(last)), args, strict=False):
        yield shown_value(name, value, redact)
    for name, value in kwargs.items():
        yield f"{name}={shown_value(name, value, redact)}"


def _type_and_size(value: object) -> str:
    if value is None:
        return "None"
    name = "dict" if isinstance(value, Mapping) else type(value).__name__
    return f"{name} of {len(value)}" if isinstance(value, Sized) else name
