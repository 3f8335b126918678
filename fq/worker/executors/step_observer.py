"""`Owned`: a coroutine that tells when it is at work. A step is what a coroutine does between two waits; of all on an event loop, one is in one."""

from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any


class Owned(Coroutine[Any, Any, object]):
    """*coroutine*, with *begin* called before each of its steps. It is made for tasks, which take it for the coroutine that it stands for."""

    __slots__ = ("_begin", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, object], begin: Callable[[], None]) -> None:
        self._coroutine = coroutine
        self._begin = begin

    def send(self, value: Any, /) -> Any:  # noqa: ANN401  # what an event loop says to a coroutine is between the two
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
        """Await what it stands for, without being told of its steps: tasks do not ask for this."""
        return self._coroutine.__await__()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # its name and its frame, for those who look at tasks
        return getattr(self._coroutine, name)
