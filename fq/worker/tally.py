"""`Tally`: counts what a worker has run, in memory, and adds it to the counters of the broker about once a second. Mutable shell."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from time import monotonic
from typing import TypeAlias

from fq.brokers.counters import Count
from fq.brokers.protocol import Broker
from fq.brokers.records import ACK, MAX_IDLE_MS, Ack, Bury, Commit, Delivery, Disposition, Reschedule
from fq.execution.run_counts import Counted, RunCounter, counts_at
from fq.runtime.logger import logger
from fq.worker.claimed_job import Job
from fq.worker.turn_clock import TurnClock

log = logger("fq.worker")

FLUSH_SECONDS = 1.0
"""How often counts go to the broker, while there are any."""

MAX_UNSENT = 10_000
"""Counts that the broker has not taken are kept for the next time, unless there are more than this."""


Kind: TypeAlias = tuple[str, str, type[Disposition] | None]
"""An actor, a queue, and how a run ended; None if the message was put off, and used up no attempt."""


class Tally:
    """What has been run since the last flush. For one thread: that which commits."""

    def __init__(self, clock: TurnClock, calling: Callable[[], AbstractContextManager[Broker]]) -> None:
        self._clock = clock
        self._calling = calling
        self._runs: dict[Kind, int] = {}
        self._seconds: dict[tuple[str, str], float] = {}
        self._unsent: list[Count] = []
        self._due = 0.0

    def add(self, jobs: Iterable[Job], late: Collection[tuple[str, int]]) -> None:
        """Count *jobs*, whose commits were applied, except for those of the claims in *late*."""
        actor = queue = ""
        number, seconds = 0, 0.0
        for job in jobs:
            commit, delivery = job.commit, job.delivery
            if commit is None or (late and job.claim in late):
                continue
            if commit.disposition is not ACK:
                self._add(_kind(delivery, commit), 1, job.took)
            elif delivery.actor_name == actor and delivery.queue_name == queue:  # most are like the one before: that is fast
                number += 1
                seconds += job.took
            else:
                if number:
                    self._add((actor, queue, Ack), number, seconds)
                actor, queue, number, seconds = delivery.actor_name, delivery.queue_name, 1, job.took
        if number:
            self._add((actor, queue, Ack), number, seconds)

    def _add(self, kind: Kind, number: int, seconds: float) -> None:
        self._runs[kind] = self._runs.get(kind, 0) + number
        self._seconds[kind[:2]] = self._seconds.get(kind[:2], 0.0) + seconds

    def wait_ms(self) -> int:
        """Return for how many ms the worker may wait for messages, and leave what has been counted here; as long as it likes if that is nothing."""
        self.flush_if_due()
        return max(1, round((self._due - monotonic()) * 1_000)) if self._runs else MAX_IDLE_MS

    def flush_if_due(self) -> None:
        """Pass on what has been counted, if the last time was a while ago."""
        if self._runs and monotonic() >= self._due:
            self.flush()

    def close(self) -> None:
        """Pass on the last of it."""
        self.flush()

    def flush(self) -> None:
        """Pass on what has been counted. If the broker does not take it, no message is the worse for that."""
        counts = [*self._unsent, *counts_at(self._clock.now(), self._totals())]
        self._due = monotonic() + FLUSH_SECONDS
        self._runs.clear()
        if not counts:
            return
        try:
            with self._calling() as broker:
                broker.count(counts)
            self._unsent = []
        except Exception as error:
            log.debug("the broker does not take counts: %s", error)
            self._unsent = counts if len(counts) <= MAX_UNSENT else []

    def _totals(self) -> dict[str, int]:
        totals: Counter[str] = Counter()
        for (actor, queue, kind), number in self._runs.items():
            for what in _counted(kind):
                totals[RunCounter(what, queue, actor).name] += number
        for (actor, queue), seconds in self._seconds.items():
            if whole := int(seconds * 1_000):
                totals[RunCounter("took", queue, actor).name] = whole
                self._seconds[actor, queue] = seconds - whole / 1_000  # the rest counts next time
        return totals


def _kind(delivery: Delivery, commit: Commit) -> Kind:
    disposition = commit.disposition
    is_put_off = isinstance(disposition, Reschedule) and disposition.fault is None
    return delivery.actor_name, delivery.queue_name, None if is_put_off else type(disposition)


def _counted(kind: type[Disposition] | None) -> Sequence[Counted]:
    """Return what a run that ended with a disposition of this *kind* counts as; None is a message that was put off and used up no attempt."""
    if kind is Reschedule:
        return "processed", "failed", "retried"
    if kind is Bury:
        return "processed", "failed", "dead"
    return ("processed",) if kind is Ack else ()
