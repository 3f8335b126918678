"""
Counts what a message costs, in units that do not depend on the machine: calls, statements of SQLite, round trips to Redis, and blocks of memory.

Counted are the calls of functions of fq, and the calls that these make, of Python and of C. What libraries do inside is not: it changes with their versions.
"""

import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import ClassVar
from unittest.mock import patch

from attrs import field, frozen
from redis.asyncio.connection import AbstractConnection as AsyncConnection
from redis.connection import AbstractConnection

import fq

PACKAGE = f"{Path(fq.__file__).parent}/"
DISPATCHER = "fq-dispatcher"
TIMED = {"RunningTask.interrupt_if_overdue", "Lean.spin"}
"""What is done at intervals while a message runs, or a reply is looked for: how often depends on the time."""


class CallCounter:
    """A profile function, which counts calls by thread and function. Mutable."""

    def __init__(self) -> None:
        self._by_thread: dict[int, Counter[tuple[str, str]]] = {}
        self._dispatchers: set[int] = set()
        self._is_ours: dict[CodeType, bool] = {}

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            if frame.f_code.co_filename != __file__ and (self._ours(frame) or self._ours(frame.f_back)):
                self._count(frame.f_code.co_qualname, frame.f_code.co_filename)
        elif event == "c_call" and self._ours(frame):
            self._count(getattr(argument, "__qualname__", repr(argument)), "C")

    def _ours(self, frame: FrameType | None) -> bool:
        if frame is None or frame.f_code.co_qualname in TIMED:
            return False
        code = frame.f_code
        if code not in self._is_ours:
            self._is_ours[code] = code.co_filename.startswith(PACKAGE)
        return self._is_ours[code]

    def _count(self, name: str, file: str) -> None:
        ident = threading.get_ident()
        if ident not in self._by_thread:
            self._by_thread[ident] = Counter()
            if threading.current_thread().name == DISPATCHER:
                self._dispatchers.add(ident)
        self._by_thread[ident][name, file] += 1

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count in this thread, and in those that start now."""
        threading.setprofile(self)
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def per_message(self, messages: int, *, dispatcher: bool) -> Counter[str]:
        """
        Return the calls for one of *messages*, by function. A function that is called less than once a message does not count.

        So what a worker does once a turn does not count: how many turns it takes depends on the machine. Of its dispatcher only the calls of Python count,
        since it calls ``len``, say, often in a turn; without *dispatcher*, not even these.
        """
        shared, of_dispatcher = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for ident, counts in self._by_thread.items():
            (of_dispatcher if ident in self._dispatchers else shared).update(counts)
        found: Counter[str] = Counter()
        for (name, _), count in shared.items():
            found[name] += count // messages
        for (name, file), count in of_dispatcher.items():
            found[name] += count // messages if dispatcher and file != "C" else 0
        return +found


@frozen
class Cost:
    """
    What a message costs.

    Attributes:
        calls: of functions.

        trips: statements of SQLite, or round trips to Redis; for messages that are sent or committed together, those of all together.

        by_function: how often each function is called.
    """

    calls: int
    trips: int = 0
    by_function: Mapping[str, int] = field(factory=dict, eq=False, repr=False)


def cost(messages: int, work: Callable[[], None], *, repeats: int = 1, together: bool = False, dispatcher: bool = True) -> Cost:
    """
    Return what each of *messages* costs, for which *work* does something, *repeats* times; *together*: those of one time share their trips.

    The time with the fewest trips counts: SQLite writes the time down once a second.
    """
    counter, trips = CallCounter(), []
    for _ in range(repeats):
        counted = Counter[str]()
        with counted_trips(counted), counter.counting():
            work()
        trips.append(counted.total())
    found = counter.per_message(messages * repeats, dispatcher=dispatcher)
    return Cost(found.total(), min(trips) // (1 if together else messages), found)


def senders(connection: type) -> set[type]:
    """Return the classes whose way to send is that of *connection*, or of a class made of it."""
    below = {each for child in connection.__subclasses__() for each in senders(child)}
    return below | {next(each for each in connection.__mro__ if "send_packed_command" in vars(each))}


def counted(sender: type, trips: Counter[str]) -> Callable[..., object]:
    """Return its way to send, which counts, unless a class made of it has called it."""
    original = vars(sender)["send_packed_command"]

    def send(connection: object, *args: object, **options: object) -> object:
        outermost = next(each for each in type(connection).__mro__ if "send_packed_command" in vars(each))
        trips["redis"] += outermost is sender
        return original(connection, *args, **options)

    return send


@contextmanager
def counted_trips(trips: Counter[str]) -> Iterator[None]:
    """Count statements of SQLite and round trips to Redis, of connections that are open or opened now."""
    patches = ExitStack()
    for connection in senders(AbstractConnection) | senders(AsyncConnection):
        patches.enter_context(patch.object(connection, "send_packed_command", counted(connection, trips)))
    CountedSqlite.trips = trips
    try:
        yield
    finally:
        patches.close()
        CountedSqlite.trips = Counter()


class CountedSqlite(sqlite3.Connection):
    """A connection that counts its statements."""

    trips: ClassVar[Counter[str]] = Counter()

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        self.set_trace_callback(self._traced)

    def _traced(self, statement: str) -> None:
        if not statement.startswith("--"):  # a statement of a trigger
            self.trips["sqlite"] += 1
