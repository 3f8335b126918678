"""`start_deadline`: one timeout for several waits."""

from collections.abc import Callable
from time import monotonic


def start_deadline(timeout_ms: int) -> Callable[[], int]:
    """
    Start a deadline of *timeout_ms*. Return a function that tells how many ms remain.

    It returns 1 after the deadline, since a timeout of 0 means not to wait at all, and makes another error.
    """
    deadline = monotonic() + timeout_ms / 1_000
    return lambda: max(1, round((deadline - monotonic()) * 1_000)) if timeout_ms else 0
