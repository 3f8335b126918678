"""
`ActorRun`: one call of an actor, as the functions that it calls find it: what it has collected so far. Mutable shell.

A worker's job is an actor run. A handler that is called without a worker, in a test for example, makes one of its own.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar, Token

from attrs import define, field

from fq.core.message import Message
from fq.core.outcome import Enqueue, Outcome
from fq.runtime.reported import Reported

NOT_BEGUN, RUNNING, ENDED = range(3)
"""The states of a run: `ENDED` is when the actor's function has returned or raised."""

_FIRST_USE = threading.Lock()
"""Two threads of one actor may be the first to send with its outcome, or to report, at once."""


@define(eq=False)
class FollowUps:
    """Mutable: the messages that an actor sends with its outcome, and how many calls they are of. Threads of the actor share it."""

    enqueues: list[Enqueue] = field(factory=list)
    calls: int = 0
    closed: bool = False
    _lock: threading.Lock = field(factory=threading.Lock)

    def take_number(self) -> int:
        """Return the number of the next call, from 0."""
        with self._lock:
            number, self.calls = self.calls, self.calls + 1
            return number

    def add(self, enqueues: Iterable[Enqueue]) -> bool:
        """Add the messages of a call; return False if it is too late for that."""
        with self._lock:
            if not self.closed:
                self.enqueues += enqueues
            return not self.closed

    def close(self) -> list[Enqueue]:
        """Return all messages; no more are added."""
        with self._lock:
            self.closed = True
            return self.enqueues


@define(eq=False)
class ActorRun:
    """
    Mutable: one call of an actor.

    Attributes:
        message: the message that it runs for; there once it has been decoded.

        state: `NOT_BEGUN`, `RUNNING` or `ENDED`.

        follow_ups: what it sends with its outcome; None if nothing.

        reported: what it has told while it runs; None if nothing.
    """

    message: Message = field(init=False)
    state: int = field(default=NOT_BEGUN, init=False)
    follow_ups: FollowUps | None = field(default=None, init=False)
    reported: Reported | None = field(default=None, init=False)

    @property
    def app(self) -> object | None:
        """The app of the actor; None in a handler without a worker."""
        return None

    @property
    def worker(self) -> str:
        """The name of the worker that runs it; ``""`` in a handler without one."""
        return ""

    def end(self, outcome: Outcome) -> Outcome:
        """Note that the actor has ended; return *outcome* with what follows it."""
        self.state = ENDED
        if self.follow_ups is None:
            return outcome
        return outcome.also(*(each for each in self.follow_ups.close() if outcome.succeeded or each.only_on == "final"))

    def leave(self) -> None:
        """Note that the actor has ended."""
        self.state = ENDED

    def reports(self) -> Reported:
        """Return what it has told, to add to it. Then call `on_report`."""
        if self.reported is None:
            with _FIRST_USE:
                self.reported = self.reported or Reported()
        return self.reported

    def on_report(self) -> None:
        """Let what was told leave. Without a worker it goes nowhere."""

    def collected(self) -> FollowUps:
        """Return what it sends with its outcome, to add to it. Then look at `state`: the run may have ended before it was there."""
        if self.follow_ups is None:
            with _FIRST_USE:
                self.follow_ups = self.follow_ups or FollowUps()
        return self.follow_ups

    def with_lost_follow_ups(self, outcome: Outcome) -> Outcome:
        """Return *outcome*, if final, with what is sent on every final outcome; a layer may have made another outcome of what the actor's was."""
        if self.follow_ups is None or not outcome.final:
            return outcome
        sent = {effect.message.message_id for effect in outcome.effects if isinstance(effect, Enqueue)}
        always = (each for each in self.follow_ups.enqueues if each.only_on == "final")
        return outcome.also(*(each for each in always if each.message.message_id not in sent))


@define(eq=False)
class RunWithoutJob(ActorRun):
    """Mutable: a run that has entered the context itself, since no worker has."""

    entered: "Token[ActorRun | None] | None" = field(default=None, init=False)

    def end(self, outcome: Outcome) -> Outcome:
        """See `ActorRun.end`."""
        self.leave()
        return super().end(outcome)

    def leave(self) -> None:
        """Note that the actor has ended, and leave the context."""
        self.state = ENDED
        entered, self.entered = self.entered, None
        if entered is not None:
            with suppress(ValueError):  # a coroutine is closed elsewhere than it ran
                CURRENT_RUN.reset(entered)


CURRENT_RUN: ContextVar[ActorRun | None] = ContextVar("fq_actor_run", default=None)
"""The run of the actor that was started in this context. What copies the context sees it, in other threads, too."""


current_run: Callable[[], ActorRun | None] = CURRENT_RUN.get
"""Return the run of the actor that calls this, begun or ended; None outside."""


def begin_run(message: Message) -> ActorRun:
    """Begin the run of the actor of *message*: that of the worker's job, or one of its own. `ActorRun.end` ends it."""
    run = CURRENT_RUN.get()
    if run is None or run.state:
        run = _begin_again(run, message)
    run.state = RUNNING
    return run


def _begin_again(run: ActorRun | None, message: Message) -> ActorRun:
    """Return *run* if a layer calls its actor again; what it has told stays. Otherwise return a run of its own for *message*."""
    if run is not None and run.state == ENDED and run.message.message_id == message.message_id:
        run.follow_ups = None
        return run
    run = RunWithoutJob()
    run.message = message
    run.entered = CURRENT_RUN.set(run)
    return run
