"""
What joins a broker to the suite: a `Harness`, and one line.

Every file ``*_harness.py`` of this folder has ``HARNESSES``, a mapping from a name, which becomes part of the names of the tests, to something that is
called with an empty folder and returns a `Harness`. Where a broker cannot be tested (its server is missing), its mapping is empty. Nothing else has to be
told: the fixtures of ``conftest.py``, and with them all of the suite, run once for each.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Protocol

from fq.brokers.protocol import Broker


class Harness(Protocol):
    """
    One store, empty at first, any number of brokers on it, and the clock of all of them.

    Attributes:
        slack: how many ms the clock may run ahead by itself while a test runs: 0 where it stands still unless it is moved.
    """

    slack: int

    def broker(self) -> Broker:
        """Return one more handle on the store, as another process would have it; what lives in one process returns the same one again."""

    def advance(self, ms: int) -> None:
        """Move the clock of the store *ms* forward, for all handles. A thread that waits for something to fall due need not notice."""

    def close(self) -> None:
        """Close all handles, and let go of the store."""


Kind = Callable[[Path], Harness]


def kinds() -> dict[str, Kind]:
    """Return all that joined, by name."""
    found: dict[str, Kind] = {}
    for file in sorted(Path(__file__).parent.glob("*_harness.py")):
        found |= import_module(f"tests.brokers.{file.stem}").HARNESSES
    return found
