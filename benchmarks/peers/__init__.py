"""
The queues that are measured: one record each.

`on_redis`, `on_sqlite` and `postgres` have the records, `groups` collects them, `bench` measures, `rounds` runs all of it.
Each queue has one script, ``<name>_noop.py``, which runs in the queue's own environment; `measured` gives all scripts the same commands.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen

HERE = Path(__file__).parent
ACTOR = {"sync": "noop", "async": "anoop"}
"""The actor that does nothing, by its kind. Each script has both, as far as the queue runs both, and ``stamp``, which records a delay."""


class Store(Protocol):
    """
    Where the queues of a group keep their messages.

    Attributes:
        url: what workers and scripts find in ``BENCH_URL``.

        about: the server with its version and settings, for the report.
    """

    @property
    def url(self) -> str: ...

    @property
    def about(self) -> str: ...

    def clear(self) -> None:
        """Delete everything."""

    def cpu(self) -> float:
        """Return the processor time of the server so far, in seconds; 0.0 if there is no server."""
        ...

    def watch(self, seconds: float) -> Mapping[str, float]:
        """Return what idle workers ask of the server a second, by the name of a figure in `results.FIGURES`; take *seconds* for it."""
        ...


Left = Callable[[Any], int]
"""Asks the store of the group how many messages are not done."""


@frozen
class Peer:
    """
    One queue.

    Attributes:
        worker: its command line. ``{bin}`` stands for the programs of its environment, ``{url}`` for the store,
            ``{processes}`` for the number of worker processes.

        settings: settings that differ from the queue's defaults, and what a reader should know, for the report.

        left: asks the store how many messages are not done.

        python: the Python version that it needs; None for the one that runs the benchmarks.

        colours: the kinds of actors that it can run.

        latency: the kind of its actor ``stamp``.

        environment: environment variables for worker and script.

        bound: a hand-written loop that shows what the store allows. It is no peer of fq, and only drains.
    """

    name: str
    worker: tuple[str, ...]
    settings: str
    left: Left
    python: str | None = None
    colours: tuple[str, ...] = ("sync", "async")
    latency: str = "sync"
    environment: Mapping[str, str] = {}
    bound: bool = False

    @property
    def script(self) -> Path:
        """The script that runs in its environment."""
        return HERE / f"{self.name}_noop.py"

    @property
    def requirements(self) -> Path | None:
        """Its pinned packages; None if it runs in the environment of the benchmarks."""
        path = HERE / f"{self.name}.txt"
        return path if path.exists() else None

    def __hash__(self) -> int:
        return hash(self.name)


@frozen
class Group:
    """
    Queues on the same kind of store, fq among them.

    Attributes:
        name: how tables and results name it.

        open: starts the store, and ends it with the context.

        peers: fq first.

        quick: the names of those that ``make bench-quick`` measures.

        near: the names of those that are measured with a slower network, too.
    """

    name: str
    open: Callable[[], AbstractContextManager[Store]]
    peers: tuple[Peer, ...]
    quick: tuple[str, ...] = ()
    near: tuple[str, ...] = ()

    def only(self, names: Iterable[str]) -> "Group":
        """Return the group with those of its queues that are in *names*."""
        kept = tuple(peer for peer in self.peers if peer.name in set(names))
        return Group(self.name, self.open, kept, self.quick, self.near)
