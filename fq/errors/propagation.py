"""
`escapes` and `aescapes`: which exceptions are meant for the thread or the task that runs a message, and so pass through its layers.

Every other exception is an ordinary failure of the code that raised it, `SystemExit` and a panic in an extension, too.
"""

import asyncio
import threading


def escapes(error: BaseException) -> bool:
    """Is *error*, raised in sync code, meant for the thread that runs it? Only Ctrl-C is, which Python raises in the main thread alone."""
    return issubclass(type(error), KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def aescapes(error: BaseException) -> bool:
    """Is *error*, raised by an awaitable, meant for the task that runs it? It is if the task is being cancelled, or its coroutine closed."""
    if issubclass(type(error), asyncio.CancelledError):
        return is_being_cancelled(running_task())
    return issubclass(type(error), GeneratorExit) or escapes(error)


def is_being_cancelled(task: "asyncio.Task[object] | None") -> bool:
    """Was *task* asked to end?"""
    return task is not None and task.cancelling() > 0


def running_task() -> "asyncio.Task[object] | None":
    """Return the task that runs in this thread; None without an event loop."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
