"""
`Interrupter`: interrupts running sync actors, and nothing but actors. Mutable: shared by the worker's threads and one watcher.

An interrupt may be raised only inside the actor's own call. Each thread leaves that call under the lock that the interrupting thread holds, too; an
interrupt that is still on its way when the call ends is dropped. So it never hits a layer or a later message. What the actor calls of fq's own is
masked (``fq.runtime.interrupt_mask``): an interrupt that comes meanwhile waits until that ends.
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
from fq.layers.time_limit import time_limit_exceeded
from fq.runtime.interrupt_mask import current
from fq.runtime.watched_threads import OnLost, watched_thread
from fq.worker.executors.forks import end_fork
from fq.worker.executors.lost_interrupts import install_hook
from fq.worker.scoreboard import Scoreboard, ScoreboardSlot

WATCHED_CLOSELY_BELOW_MS = 5_000
"""Time limits shorter than this are watched to the millisecond, longer ones once an interval."""


def raise_thread_exception(thread_id: int, exception: BaseException | type[BaseException] | None) -> bool:
    """
    Raise *exception* in the thread *thread_id*, at its next bytecode; None takes back one that has not been raised yet.

    Return False if there is no such thread. CPython only. A thread that is blocked in C code is not reached until it returns.
    """
    if exception is None and thread_id == get_ident():
        _take_back_own()
        return True
    kind = exception if isinstance(exception, type) or exception is None else type(exception)
    hit: int = ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), None if kind is None else ctypes.py_object(kind))
    return hit == 1


class _TakenBack(BaseException):
    """Takes the place of an exception that is not to be raised any more."""


def _take_back_own() -> None:
    """
    Drop an exception that is on its way to this thread.

    To set none in its place would do that, too, but CPython 3.11 would then look for it before each call, forever, and a profile function would never come
    back. So another one is raised here.
    """
    try:
        while True:  # again if a finalizer swallows it
            raise_thread_exception(get_ident(), _TakenBack)
            for _ in range(100):  # it comes at a jump
                pass
    except _TakenBack:
        return


@define(eq=False)
class ThreadMask:
    """
    Mutable: the `Shield` of one thread: it holds an interrupt back while the thread is inside a masked call.

    Attributes:
        lock: held to interrupt the thread, and by the thread to leave what may be interrupted.

        depth: how many masked calls the thread is in.

        pending: the interrupt that waits for the end of the masked calls.

        swallowed: was an interrupt lost in a finalizer?
    """

    lock: threading.Lock = field(factory=threading.Lock)
    depth: int = 0
    pending: Interrupt | None = None
    swallowed: bool = False

    def mask(self) -> None:
        """See `Shield.mask`."""
        with self.lock:
            self.depth += 1

    def unmask(self) -> None:
        """See `Shield.unmask`."""
        with self.lock:
            self.depth -= 1
            due = None if self.depth else self._take_pending()
        if due is not None:
            raise due

    def checkpoint(self) -> None:
        """See `Shield.checkpoint`."""
        with self.lock:
            due = self._take_pending()
        if due is not None:
            raise due

    def reset(self) -> None:
        """Begin with no masked call and no interrupt: the message before may have ended in the middle of one."""
        self.depth, self.pending, self.swallowed = 0, None, False

    def _take_pending(self) -> Interrupt | None:
        due, self.pending = self.pending, None
        return due


@define(eq=False)
class InterruptibleCall:
    """
    Mutable: the call of an actor that one thread is in; *message* is None while it is in none.

    *interrupted_by* is the interrupt that this call has had. *usual_limit*, in ms, is the one that the scoreboard shows for messages of the actor.
    """

    thread_id: int = field(factory=get_ident)
    mask: ThreadMask = field(factory=ThreadMask)
    message: Message | None = None
    started: float = 0.0
    deadline: float = float("inf")
    interrupted_by: Interrupt | None = None
    usual_limit: float = float("inf")
    slot: ScoreboardSlot | None = None

    def interrupt(self, interrupt: Interrupt) -> None:
        """Interrupt the call, once; the caller holds the lock and has seen that there is one."""
        if self.interrupted_by is None:
            self.interrupted_by = interrupt
            self._deliver(interrupt)

    def interrupt_again(self) -> None:
        """Repeat an interrupt that Python has swallowed; the caller holds the lock."""
        self.mask.swallowed = False
        if self.interrupted_by is not None and self.message is not None:
            self._deliver(self.interrupted_by)

    def with_text(self, interrupt: Interrupt) -> Interrupt:
        """Return *interrupt*, which has ended the call, with its text: only a class can be raised in another thread."""
        return interrupt if self.interrupted_by is None or interrupt.args else self.interrupted_by

    def begin(self, message: Message) -> float:
        """Note that the call of *message* is about to begin; return its deadline."""
        self.started = started = monotonic()
        self.deadline = started + message.time_limit / 1_000
        self.interrupted_by = None
        if self.mask.depth or self.mask.swallowed:
            self.mask.reset()
        return self.deadline

    def end(self) -> None:
        """Note that the call is over, and drop an interrupt that is still on its way."""
        with self.mask.lock:
            self.message = self.mask.pending = None
            self.deadline = float("inf")
            if self.interrupted_by is not None:
                raise_thread_exception(self.thread_id, None)

    def abandon(self) -> None:
        """Be in no call, in a fork: no thread is left that could release the lock."""
        self.mask.lock = threading.Lock()
        self.message = self.mask.pending = None

    def _deliver(self, interrupt: Interrupt) -> None:
        if self.mask.depth:
            self.mask.pending = interrupt
        else:
            raise_thread_exception(self.thread_id, type(interrupt))


class Interrupter:
    """
    Calls sync actors, and interrupts those that run past their time limit.

    *interval*: how often it looks, in ms. *scoreboard*: where it writes what runs.
    """

    def __init__(self, interval: int = 1_000, scoreboard: Scoreboard | None = None, lost: OnLost | None = None) -> None:
        self._scoreboard = scoreboard
        self._interval_seconds = interval / 1_000
        self._calls: dict[int, InterruptibleCall] = {}
        self._wakeup = threading.Event()
        self._stopped = False
        self._is_fork = False
        self._watcher = watched_thread("fq-interrupter", self._watch, lost)

    def start(self) -> None:
        """Start watching."""
        install_hook()
        self._watcher.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped = True
        self._wakeup.set()

    def run(self, message: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /) -> object:
        """Return ``fn(*args, **kwargs)``; raises what it raises, or the interrupt that has ended it."""
        call = self._calls.get(get_ident()) or self._new_call()
        if self._is_fork:
            end_fork()
        deadline = call.begin(message)
        limit = message.time_limit
        if call.slot is not None and limit != call.usual_limit:
            call.slot.set_running(message.message_id, call.started, deadline)
        if limit < WATCHED_CLOSELY_BELOW_MS:
            self._wakeup.set()
        try:
            call.message = message  # from here on it may be interrupted, and nowhere above, where that would leave locks held
            return fn(*args, **kwargs)
        except Interrupt as interrupt:
            raise call.with_text(interrupt) from None
        finally:
            if self._is_fork:
                end_fork()
            while True:
                try:
                    call.end()
                    break
                except Interrupt:  # it came when the actor's call was over: too late
                    continue

    def begin(self, message_id: str, limit: float) -> None:
        """
        Write on the scoreboard that this thread is about to run a message, layers included, which must end *limit* ms from now.

        Outside of the actor's own call, only the end of the process can interrupt it.
        """
        if self._scoreboard is None:
            return
        call = self._calls.get(get_ident()) or self._new_call()
        call.usual_limit, now = limit, monotonic()
        cast(ScoreboardSlot, call.slot).set_running(message_id, now, now + limit / 1_000)

    def end(self) -> None:
        """Write on the scoreboard that this thread runs nothing."""
        if self._is_fork:
            end_fork()
        if self._scoreboard is not None:
            cast(ScoreboardSlot, self._calls[get_ident()].slot).clear()

    def interrupt(self, choose: Callable[[Message], Interrupt | None]) -> None:
        """Interrupt the running actors for whose message *choose* returns an interrupt."""
        for call in list(self._calls.values()):
            with call.mask.lock:
                if call.message is not None and (interrupt := choose(call.message)) is not None:
                    call.interrupt(interrupt)

    def running(self) -> tuple[tuple[Message, float], ...]:
        """Return the messages whose actors run, each with the seconds since its start."""
        now = monotonic()
        return tuple((message, now - call.started) for call in list(self._calls.values()) if (message := call.message) is not None)

    def by_thread(self) -> dict[int, Message]:
        """Return the messages whose actors run, by the id of their thread."""
        return {call.thread_id: message for call in list(self._calls.values()) if (message := call.message) is not None}

    def forked(self) -> None:
        """End the process, a fork, with the call of the actor that runs on this thread, its only one, or at the latest with the message."""
        if self._scoreboard is not None:
            self._scoreboard.detach()
        self._is_fork = True
        if (call := self._calls.get(get_ident())) is not None:
            call.abandon()

    def interrupt_overdue(self) -> float:
        """Interrupt the actors that are past their time limit; return when the next one will be."""
        now, nearest = monotonic(), float("inf")
        for call in list(self._calls.values()):
            with call.mask.lock:
                if call.mask.swallowed:
                    call.interrupt_again()
                if call.interrupted_by is not None:
                    continue
                if call.message is None or call.deadline > now:  # with no message yet, the call is about to begin
                    nearest = min(nearest, call.deadline)
                else:
                    call.interrupt(time_limit_exceeded(call.message.actor_name, call.message.time_limit))
        return nearest

    def _new_call(self) -> InterruptibleCall:
        call = InterruptibleCall(slot=None if self._scoreboard is None else self._scoreboard.slot())
        self._calls[get_ident()] = call
        current.shield = call.mask
        return call

    def _watch(self) -> None:
        while not self._stopped:
            self._wakeup.clear()
            nearest = self.interrupt_overdue()
            self._wakeup.wait(min(self._interval_seconds, max(nearest - monotonic(), 0.001)))
