"""
`watched`: the threads that fq cannot do without. What one raises is logged, and it goes on; or, if it cannot, its owner is told.

Anything may be raised in a thread at any moment: a bug, no memory, or what an application strikes into all threads to stop them. Shell.
"""

import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from fq.errors.exception_text import name_of
from fq.runtime.logger import logger

log = logger("fq.worker")

MOST_RESTARTS = 20
"""A thread that raises more often within `WINDOW_SECONDS` cannot go on."""

WINDOW_SECONDS = 60.0

Lost = Callable[[str, BaseException], None]
"""Is told the name of a thread that cannot go on, and what it raised last; called in that thread."""


def watched(name: str, run: Callable[[], None], lost: Lost | None = None, *, again: bool = True) -> threading.Thread:
    """
    Return a thread, not started yet, that calls *run* until it returns.

    What *run* raises is logged, and *run* is called once more. Unless it may be called *again*, or if that does not help, *lost* is told.
    """

    def main() -> None:
        raised: deque[float] = deque(maxlen=MOST_RESTARTS + 1)
        while True:
            try:
                run()
                return
            except BaseException as error:  # one raised here, between two statements, is not worth more code
                raised.append(monotonic())
                too_often = len(raised) > MOST_RESTARTS and raised[-1] - raised[0] < WINDOW_SECONDS
                if too_often or not again:
                    log.error("thread %s cannot go on after %s", name, name_of(error), exc_info=error)
                    if lost is not None:
                        with suppress(Exception):
                            lost(name, error)
                    return
                log.error("thread %s goes on after %s", name, name_of(error), exc_info=error)

    return threading.Thread(target=main, name=name, daemon=True)


def where(thread: threading.Thread) -> str:
    """Return where *thread* is, for the log."""
    frame = sys._current_frames().get(thread.ident or 0)
    return "" if frame is None else "".join(traceback.format_stack(frame))
