"""
How a broker joins the conformance suite: a `Harness`, and one line.

Every file ``*_harness.py`` of this folder has ``HARNESSES``: a mapping from a name, which becomes part of the names of the tests, to a function that takes
an empty folder and returns a `Harness`. It is empty where the broker cannot be tested, because its server is missing. The fixtures of ``conftest.py``
then run the whole suite once for each harness.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import Protocol

from fq.brokers.protocol import Broker


class Harness(Protocol):
    """
    One store, empty at first, any number of brokers on it, and the clock of all of them.

    Attributes:
        loses_replies: can a call be applied although its caller hears of an error?

        shards: how many parts it has, without a common order: 1 unless it is sharded.

        slack: how many ms the clock may run ahead by itself while a test runs: 0 where it stands still unless it is moved.
    """

    loses_replies: bool
    shards: int
    slack: int

    def broker(self) -> Broker:
        """Return another handle on the store, as another process would have it; a broker that lives in one process returns the same one."""

    def advance(self, ms: int) -> None:
        """Move the clock of the store *ms* forward, for all handles. A thread that waits for a delay need not notice."""

    def lost_replies(self, broker: Broker) -> AbstractContextManager[None]:
        """Let turns of *broker* be applied and raise `BrokerUnavailable`, for as long as the context lasts. Only where the store `loses_replies`."""

    def deafness(self, broker: Broker, deaf: bool) -> AbstractContextManager[None]:
        """Let nothing that the store publishes reach *broker* as long as the context lasts, if *deaf*."""

    def await_publication(self, worker: str) -> None:
        """Return once all that the store has published to *worker* has arrived, so that what comes next does not depend on when it does."""

    def close(self) -> None:
        """Close all handles and the store."""


Kind = Callable[[Path], Harness]


def kinds() -> dict[str, Kind]:
    """Return all harnesses, by name."""
    found: dict[str, Kind] = {}
    for file in sorted(Path(__file__).parent.glob("*_harness.py")):
        found |= import_module(f"tests.brokers.{file.stem}").HARNESSES
    return found
