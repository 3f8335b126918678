"""`WorkerSettings`: all that can be set about a worker, with its defaults. One value for the command line, `App.worker` and tests."""

import os

from attrs import field, frozen, validators

from fq.duration import to_ms

_at_least_one = [validators.instance_of(int), validators.ge(1)]


@frozen(kw_only=True)
class WorkerSettings:
    """
    Settings of a worker. Durations in ms, or as timedelta.

    Attributes:
        queues: claim from these; none means those of the declared actors.

        processes: how many child processes. Default: as many as there are processors.

        threads: how many sync actors run at once in a process. Default 8.

        concurrency: how many async actors run at once in a process. Default 1000.

        heartbeat: how often leases are renewed. A worker that vanished loses what it held within two heartbeats. Default 5 s.

        shutdown_timeout: how long a worker that was told to stop waits for running messages before it hands them back. Default 10 minutes.

        unknown_actor_grace: how long a message for an actor that is not declared here is left for other workers before it is a dead letter. Default 60 s.
    """

    queues: tuple[str, ...] = field(default=(), converter=tuple)
    processes: int = field(factory=lambda: os.cpu_count() or 1, validator=_at_least_one)
    threads: int = field(default=8, validator=_at_least_one)
    concurrency: int = field(default=1_000, validator=_at_least_one)
    heartbeat: int = field(default=5_000, converter=to_ms, validator=validators.ge(50))
    shutdown_timeout: int = field(default=600_000, converter=to_ms)
    unknown_actor_grace: int = field(default=60_000, converter=to_ms)

    @property
    def lease(self) -> int:
        """How long a lease runs, ms: a little less than two heartbeats, so that two are the most that a recovery takes."""
        return self.heartbeat * 19 // 10
