"""`new_threads`: which threads are left of what a test did. Those of earlier tests may end meanwhile, so a count says nothing."""

import threading
from collections.abc import Callable


def new_threads() -> Callable[[], list[threading.Thread]]:
    """Return a function that returns the threads that are alive and were not there when this was called."""
    before = set(threading.enumerate())
    return lambda: [thread for thread in threading.enumerate() if thread not in before]
