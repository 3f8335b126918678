"""
`Deadlines`: interrupts running sync actors, and nothing but actors. Mutable: shared by the worker's threads and one watcher.

An interrupt may strike only inside the actor's own call. Each thread leaves that region under a lock which whoever strikes holds, too; a strike
that is still on its way when the region is left is dropped. So no layer, and no later message, is ever hit. What the actor calls of fq's own is
shielded (``fq.runtime.interrupt_mask``): a strike that comes meanwhile waits for its end.
"""

import ctypes
import threading
from collections.abc import Callable, Mapping
from threading import get_ident
from time import monotonic
from typing import cast

from attrs import define, field

from fq.core.message import Message
from fq.errors import Interrupt
from fq.layers.time_limit import exceeded
from fq.runtime.interrupt_mask import current
from fq.runtime.watched_threads import OnLost, watched_thread
from fq.worker.executors.forks import end_fork
from fq.worker.executors.lost_interrupts import notice
from fq.worker.scoreboard import Board, Slot

_FINE = 5_000
"""Limits shorter than this, ms, are watched to the millisecond instead of once an interval."""


def raise_thread_exception(thread_id: int, exception: BaseException | type[BaseException] | None) -> bool:
    """
    Raise *exception* in the thread called *thread_id*, at its next bytecode; None takes back one that has not struck yet.

    Return False if there is no such thread. CPython only. A thread that is blocked in C code is not reached until it returns.
    """
    kind = exception if isinstance(exception, type) or exception is None else type(exception)
    hit: int = ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), None if kind is None else ctypes.py_object(kind))
    return hit == 1


@define(eq=False)
class Region:
    """Mutable: what one thread is running, if anything; it is also the thread's `Shield`."""

    thread_id: int = field(factory=get_ident)
    lock: threading.Lock = field(factory=threading.Lock)
    message: Message | None = None
    deadline: float = float("inf")
    started: float = 0.0
    struck: Interrupt | None = None
    held_back: Interrupt | None = None
    shields: int = 0
    swallowed: bool = False
    limit: float = float("inf")
    slot: Slot | None = None

    def strike(self, interrupt: Interrupt) -> None:
        """Interrupt what runs here, once; the caller holds the lock and has seen that something does."""
        if self.struck is not None:
            return
        self.struck = interrupt
        self._deliver(interrupt)

    def strike_again(self) -> None:
        """Repeat a strike that was swallowed; the caller holds the lock."""
        self.swallowed = False
        if self.struck is not None and self.message is not None:
            self._deliver(self.struck)

    def _deliver(self, interrupt: Interrupt) -> None:
        if self.shields:
            self.held_back = interrupt
        else:
            raise_thread_exception(self.thread_id, type(interrupt))

    def said(self, interrupt: Interrupt) -> Interrupt:
        """Return *interrupt*, which ended the actor, with its text: only a class can be raised in another thread."""
        return interrupt if self.struck is None or interrupt.args else self.struck

    def take_back(self) -> None:
        """Drop a strike that is still on its way; the caller holds the lock."""
        if self.struck is not None:
            raise_thread_exception(self.thread_id, None)

    def mask(self) -> None:
        """See `Shield.mask`."""
        with self.lock:
            self.shields += 1

    def unmask(self) -> None:
        """See `Shield.unmask`."""
        with self.lock:
            self.shields -= 1
            due = None if self.shields else self._due()
        if due is not None:
            raise due

    def checkpoint(self) -> None:
        """See `Shield.checkpoint`."""
        with self.lock:
            due = self._due()
        if due is not None:
            raise due

    def _due(self) -> Interrupt | None:
        due, self.held_back = self.held_back, None
        return due if self.message is not None else None


class Deadlines:
    """Runs sync actors in regions, and strikes those that overrun their time limit. *interval*: how finely it looks, ms; *board*: where it says what runs."""

    def __init__(self, interval: int = 1_000, board: Board | None = None, lost: OnLost | None = None) -> None:
        self._board = board
        self._interval = interval / 1_000
        self._regions: dict[int, Region] = {}
        self._looked_at = threading.Event()
        self._stopped = False
        self._is_fork = False
        self._watcher = watched_thread("fq-deadlines", self._watch, lost)

    def start(self) -> None:
        """Start watching."""
        notice()
        self._watcher.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped = True
        self._looked_at.set()

    def run(self, message: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /) -> object:
        """Return ``fn(*args, **kwargs)``; raises what it raises, or the interrupt that struck it."""
        region = self._regions.get(get_ident()) or self._new_region()
        if self._is_fork:
            end_fork()
        limit = message.time_limit
        region.started = started = monotonic()
        region.deadline = deadline = started + limit / 1_000
        region.struck = region.held_back = None
        region.shields, region.swallowed = 0, False
        if region.slot is not None and limit != region.limit:
            region.slot.enter(message.message_id, started, deadline)
        if limit < _FINE:
            self._looked_at.set()
        try:
            region.message = message  # from here on it may be struck, and nowhere before: what was struck above would keep its locks
            return fn(*args, **kwargs)
        except Interrupt as interrupt:
            raise region.said(interrupt) from None
        finally:
            if self._is_fork:
                end_fork()
            while True:
                try:
                    with region.lock:
                        region.message = None
                        region.deadline = float("inf")
                        region.take_back()
                    break
                except Interrupt:  # it came while the actor's call was over: too late
                    continue

    def begin(self, message_id: str, limit: float) -> None:
        """
        Say on the board that this thread is about to run a message, which has to end *limit* ms from now, in layers or in the actor.

        What happens outside of the actor's own call can be interrupted by nothing but the end of the process.
        """
        if self._board is None:
            return
        region = self._regions.get(get_ident()) or self._new_region()
        region.limit, now = limit, monotonic()
        cast(Slot, region.slot).enter(message_id, now, now + limit / 1_000)

    def end(self) -> None:
        """Say that this thread runs nothing."""
        if self._is_fork:
            end_fork()
        if self._board is not None:
            cast(Slot, self._regions[get_ident()].slot).leave()

    def strike(self, chosen: Callable[[Message], Interrupt | None]) -> None:
        """Interrupt the running actors whose message *chosen* names an interrupt for."""
        for region in list(self._regions.values()):
            with region.lock:
                if region.message is not None and (interrupt := chosen(region.message)) is not None:
                    region.strike(interrupt)

    def running(self) -> tuple[tuple[Message, float], ...]:
        """Return what runs, with for how long, in seconds."""
        now = monotonic()
        return tuple((message, now - region.started) for region in list(self._regions.values()) if (message := region.message) is not None)

    def forked(self) -> None:
        """Let what runs on this thread, the only one of a fork, end the process with the call of the actor, or at the latest with the message."""
        if self._board is not None:
            self._board.detach()
        self._is_fork = True
        if (region := self._regions.get(get_ident())) is not None:
            region.lock, region.message = threading.Lock(), None  # the watcher may have held the lock

    def _new_region(self) -> Region:
        region = self._regions[get_ident()] = Region(slot=None if self._board is None else self._board.slot())
        current.shield = region
        return region

    def _watch(self) -> None:
        while not self._stopped:
            self._looked_at.clear()
            nearest = self._strike_overdue()
            self._looked_at.wait(min(self._interval, max(nearest - monotonic(), 0.001)))

    def _strike_overdue(self) -> float:
        """Strike what is overdue; return when the next deadline is."""
        now, nearest = monotonic(), float("inf")
        for region in list(self._regions.values()):
            with region.lock:
                if region.swallowed:
                    region.strike_again()
                if region.struck is not None:
                    continue
                if region.message is None or region.deadline > now:  # with no message yet, it is about to begin
                    nearest = min(nearest, region.deadline)
                else:
                    region.strike(exceeded(region.message.actor_name, region.message.time_limit))
        return nearest
