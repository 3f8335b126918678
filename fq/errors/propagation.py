"""
Which exceptions are none of a message's: they are for the thread, or the task, that runs it, and pass through its layers.

Every other exception, `SystemExit` and a panic of an extension among them, is an ordinary failure of whatever raised it.
"""

import asyncio
import threading


def escapes(error: BaseException) -> bool:
    """Is *error*, raised in sync code, for the thread that runs it? Only Ctrl-C is, and Python raises that in the main thread alone."""
    return issubclass(type(error), KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def aescapes(error: BaseException) -> bool:
    """Is *error*, raised by what was awaited, for the task that runs it: is that being cancelled, or is its coroutine being closed?"""
    if issubclass(type(error), asyncio.CancelledError):
        return is_being_cancelled(running_task())
    return issubclass(type(error), GeneratorExit) or escapes(error)


def is_being_cancelled(task: "asyncio.Task[object] | None") -> bool:
    """Has somebody asked *task* to end?"""
    return task is not None and task.cancelling() > 0


def running_task() -> "asyncio.Task[object] | None":
    """Return the task that runs in this thread, None where no event loop does."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
