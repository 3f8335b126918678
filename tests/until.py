"""`until`: wait for what another thread or process does. The patience is for a machine that has much else to do, and no test's point."""

import time
from collections.abc import Callable


def until(condition: Callable[[], object], patience: float = 60.0, what: str = "it") -> None:
    """Return when *condition* holds; fail if it does not within *patience* seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {patience} s"
        time.sleep(0.005)
