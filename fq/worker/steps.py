"""`Steps`: an awaitable that tells when it is at work. A step is what a coroutine does between two waits; of all on an event loop, one is in one."""

from collections.abc import Awaitable, Callable, Generator
from typing import Any


class Steps:
    """*awaitable*, with *begin* called before each of its steps."""

    __slots__ = ("_awaitable", "_begin")

    def __init__(self, awaitable: Awaitable[object], begin: Callable[[], None]) -> None:
        self._awaitable = awaitable
        self._begin = begin

    def __await__(self) -> Generator[Any, Any, object]:
        begin = self._begin
        steps: Any = self._awaitable.__await__()
        if not isinstance(steps, Generator):  # an iterator of its own making, which takes nothing in
            begin()
            return (yield from steps)
        begin()
        try:
            waits_for = next(steps)
            while True:
                try:
                    came = yield waits_for
                except GeneratorExit:
                    steps.close()
                    raise
                except BaseException as error:
                    begin()
                    waits_for = steps.throw(error)
                else:
                    begin()
                    waits_for = steps.send(came)
        except StopIteration as end:
            return end.value
