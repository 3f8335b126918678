"""`wait_until`: waits for what another thread or process does."""

import time
from collections.abc import Callable

POLL_SECONDS = 0.005


def wait_until(condition: Callable[[], object], timeout: float = 60.0, what: str = "it") -> None:
    """
    Return when *condition* holds; fail if it does not within *timeout* seconds.

    The default is long because a busy machine is slow. No test measures it. To ask takes at most half of the time: what is waited for needs the other.
    """
    deadline = time.monotonic() + timeout
    while True:
        asked = time.monotonic()
        if condition():
            return
        answered = time.monotonic()
        assert answered < deadline, f"{what} did not happen within {timeout} s"
        time.sleep(max(POLL_SECONDS, answered - asked))
