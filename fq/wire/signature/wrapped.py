"""`declared`: the signature of a decorated function, from its wrapper and the function inside; `innermost`: that function."""

from collections.abc import Callable, Iterator
from functools import partial
from inspect import Parameter, Signature
from types import MethodType

from fq.wire.convert.annotations import signature_of

_STARS = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def declared(function: Callable[..., object]) -> tuple[Signature, bool]:
    """
    Return the signature of *function*, and whether it is open: a wrapper that takes ``*args, **kwargs`` may add arguments of its own.

    A wrapper made with `functools.wraps` has its own parameters, with the annotations of the function inside, or those of its ``__signature__``.
    Only its ``*args`` and ``**kwargs`` stand for parameters of that function.

    Raises:
        ValueError: *function* is a built-in that has no signature.
    """
    if isinstance(function, MethodType) or not hasattr(function, "__wrapped__") or hasattr(function, "__signature__"):
        return signature_of(function), False
    inside: Callable[..., object] = getattr(function, "__wrapped__")  # noqa: B009  # not every function has it
    inner, is_open = declared(inside)
    try:
        own = signature_of(function, follow_wrapped=False)
    except ValueError:  # such as functools.lru_cache, which passes all arguments on
        return inner, is_open
    if not any(parameter.kind in _STARS for parameter in own.parameters.values()):
        return own, False
    return _merged(own, inner), True


def _merged(own: Signature, inner: Signature) -> Signature:
    """Return *own* with the parameters of *inner* in the place of ``*args`` and ``**kwargs``; *inner* if these do not combine."""
    try:
        return inner.replace(parameters=sorted(_parameters(own, inner), key=lambda parameter: parameter.kind))
    except ValueError:
        return inner


def _parameters(own: Signature, inner: Signature) -> Iterator[Parameter]:
    named = {parameter.name: parameter for parameter in own.parameters.values() if parameter.kind not in _STARS}
    yield from named.values()
    yield from (parameter for parameter in inner.parameters.values() if parameter.name not in named)


def without_partial(function: object) -> object:
    """Return the function that *function* applies, if it is a `functools.partial`."""
    return without_partial(function.func) if isinstance(function, partial) else function


def innermost(function: object) -> object:
    """Return the function inside of *function*, which may be a partial, a wrapper, a method or a callable object."""
    whole = without_partial(function)
    wrapped = getattr(whole, "__wrapped__", getattr(whole, "__func__", None))
    if wrapped is not None:
        return innermost(wrapped)
    call = type(whole).__call__
    return whole if hasattr(whole, "__globals__") or not hasattr(call, "__globals__") else call
