"""
`watched_thread`: a thread that fq cannot do without. An error in it is logged, and it starts again; if that does not help, its owner is called. Shell.

A thread may raise at any moment: because of a bug, a lack of memory, or an exception that an application raises in all threads to stop them.
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

MAX_RESTARTS = 20
"""A thread that raises more often within `RESTART_WINDOW_SECONDS` cannot go on."""

RESTART_WINDOW_SECONDS = 60.0

OnLost = Callable[[str, BaseException], None]
"""Called with the name of a thread that cannot go on, and its last error; runs in that thread."""


def watched_thread(name: str, run: Callable[[], None], on_lost: OnLost | None = None, *, restart: bool = True) -> threading.Thread:
    """
    Return a thread, not started yet, that calls *run* until it returns.

    What *run* raises is logged, and *run* is called again. If that does not help, or without *restart*, *on_lost* is called.
    """

    def main() -> None:
        raised: deque[float] = deque(maxlen=MAX_RESTARTS + 1)
        while True:
            try:
                run()
                return
            except BaseException as error:  # an error between two statements here is not worth more code
                raised.append(monotonic())
                too_often = len(raised) > MAX_RESTARTS and raised[-1] - raised[0] < RESTART_WINDOW_SECONDS
                if too_often or not restart:
                    log.error("thread %s cannot go on after %s", name, name_of(error), exc_info=error)
                    if on_lost is not None:
                        with suppress(Exception):
                            on_lost(name, error)
                    return
                log.error("thread %s goes on after %s", name, name_of(error), exc_info=error)

    return threading.Thread(target=main, name=name, daemon=True)


def current_stack(thread: threading.Thread) -> str:
    """Return the stack of *thread*, for the log."""
    frame = sys._current_frames().get(thread.ident or 0)
    return "" if frame is None else "".join(traceback.format_stack(frame))
