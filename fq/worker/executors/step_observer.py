"""`ObservedCoroutine`: a coroutine that reports its steps. A step is what it does between two waits; one coroutine of an event loop is in one at a time."""

from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any


class ObservedCoroutine(Coroutine[Any, Any, object]):
    """*coroutine*, with *begin* called before each of its steps. A task takes it for the coroutine itself."""

    __slots__ = ("_begin", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, object], begin: Callable[[], None]) -> None:
        self._coroutine = coroutine
        self._begin = begin

    def send(self, value: Any, /) -> Any:  # noqa: ANN401  # an event loop and a coroutine agree on it
        """Take a step."""
        self._begin()
        return self._coroutine.send(value)

    def throw(self, error: Any, value: Any = None, traceback: TracebackType | None = None, /) -> Any:  # noqa: ANN401  # as above
        """Take a step that begins with an exception."""
        self._begin()
        return self._coroutine.throw(error) if value is None and traceback is None else self._coroutine.throw(error, value, traceback)

    def close(self) -> None:
        """End it, wherever it is."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, object]:
        """Await the coroutine itself, unobserved: tasks do not use this."""
        return self._coroutine.__await__()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # its name and its frame, for debuggers
        return getattr(self._coroutine, name)
