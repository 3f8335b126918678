"""`FunctionRunner` and `AsyncFunctionRunner`: what calls the function of an actor. A worker, `App.run_until_idle` and the simulator have their own."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from fq.core.message import Message


class FunctionRunner(Protocol):
    """Calls the function of an actor for a message. A worker's runner can interrupt the call."""

    def __call__(self, message: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /) -> object:
        """Return ``fn(*args, **kwargs)``."""
        ...


class AsyncFunctionRunner(Protocol):
    """`FunctionRunner`, for coroutine functions."""

    def __call__(
        self, message: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /
    ) -> Awaitable[object]:
        """Return ``await fn(*args, **kwargs)``."""
        ...
