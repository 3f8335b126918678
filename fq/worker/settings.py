"""`WorkerSettings`: all settings of a worker, with their defaults: one value for the command line, `App.worker` and tests."""

import os
from collections.abc import Iterable
from typing import TypedDict

from attrs import field, frozen, validators

from fq.core.duration import Duration, to_ms


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


_at_least_one = [validators.instance_of(int), validators.ge(1)]


class InlineSettings(TypedDict, total=False):
    """The settings of a worker inside your own process; see `WorkerSettings`."""

    queues: Iterable[str]
    threads: int
    concurrency: int
    heartbeat: Duration
    shutdown_timeout: Duration
    unknown_actor_grace: Duration
    log_tasks: bool


@frozen(kw_only=True)
class WorkerSettings:
    """
    Settings of a worker. Durations in ms, or as timedelta.

    Attributes:
        queues: claim from these; none means those of the app and its actors.

        processes: how many child processes. Default: as many as there are processors.

        threads: how many sync actors run at once in a process. Default 8.

        concurrency: how many async actors run at once in a process. Default 1000.

        heartbeat: how often leases are renewed. A worker that vanished loses what it held within two heartbeats. Default 5 s.

        shutdown_timeout: how long a worker that stops waits for running messages before it hands them back. Default 10 minutes.

        boot_timeout: how long a child may take from its start until it is ready to work, before it is killed and replaced. Default 5 minutes.

        hard_limit_grace: how far a message may overrun its time limit, in code that no exception reaches, before its process is killed. Default 10 s.

        max_tasks_per_child: replace a child that has finished this many messages, or a few more. Default None: never.

        max_memory_per_child: replace a child whose resident memory exceeds this many bytes. Default None: never.

        unknown_actor_grace: how long a message for an actor that is not declared here, or with arguments that it does not take, is left to other
            workers before it is a dead letter. Default 60 s.

        log_tasks: log each success, too, as information. Default: failures only.
    """

    queues: tuple[str, ...] = field(default=(), converter=_names)
    processes: int = field(factory=lambda: os.cpu_count() or 1, validator=_at_least_one)
    threads: int = field(default=8, validator=_at_least_one)
    concurrency: int = field(default=1_000, validator=_at_least_one)
    heartbeat: int = field(default=5_000, converter=to_ms, validator=validators.ge(50))
    shutdown_timeout: int = field(default=600_000, converter=to_ms)
    boot_timeout: int = field(default=300_000, converter=to_ms)
    hard_limit_grace: int = field(default=10_000, converter=to_ms)
    max_tasks_per_child: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    max_memory_per_child: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    unknown_actor_grace: int = field(default=60_000, converter=to_ms)
    log_tasks: bool = False

    @property
    def lease(self) -> int:
        """How long a lease runs, ms: a little less than two heartbeats, so that a recovery takes two at the most."""
        return self.heartbeat * 19 // 10
