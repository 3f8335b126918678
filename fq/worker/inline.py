"""`run_until_idle`: a worker without threads, for tests and notebooks: deterministic, one message after the other."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Protocol, runtime_checkable

from fq.brokers.protocol import Broker
from fq.brokers.records import ACK, ClaimRequest, Commit
from fq.errors import FqError
from fq.execution.handler import acall_directly, call_directly, self_cancelled
from fq.execution.registry import Registry
from fq.runtime.fresh_ids import fresh_worker_name
from fq.worker.coroutine_runner import CoroutineRunner
from fq.worker.job import Job, JobRunner
from fq.worker.settings import WorkerSettings


@runtime_checkable
class Advances(Protocol):
    """A broker whose clock can be set, and that knows how far."""

    def advance(self, ms: int) -> None:
        """Move the clock *ms* forward."""
        ...

    def until_due(self, worker: str) -> int:
        """Return how long it is, in ms, until a delayed message or the lease of a worker other than *worker* falls due."""
        ...


def run_until_idle(registry: Registry, broker: Broker) -> int:
    """Run all that waits in *broker* on the calling thread, and return how many messages ran. See `App.run_until_idle`."""
    runner = JobRunner(registry, call_directly, acall_directly, WorkerSettings().unknown_actor_grace)
    name = fresh_worker_name("run_until_idle")
    count = 0
    commits: list[Commit] = []
    ran: list[Job] = []
    with closing(CoroutineRunner()) as coroutines, _sign_off_at_end(broker, name):
        idle, queues = False, _queues(registry, broker)
        while not idle:
            turn = broker.turn(commits, ClaimRequest(name, queues, 1))
            for job in ran:
                runner.after_commit(job, stale=job.delivery.message_id in turn.stale)
            commits, ran = [], []
            for delivery in turn.deliveries:
                received = runner.receive(delivery)
                commits.append(_run(runner, received, coroutines) if isinstance(received, Job) else received)
                ran += [received] if isinstance(received, Job) else []
                count += 1
            if not turn.deliveries:
                idle, queues = not _jump(broker, name), _queues(registry, broker)
    return count


def _queues(registry: Registry, broker: Broker) -> tuple[str, ...]:
    """Return the declared queues, and all others that the broker knows; it counts their messages for that, so it is asked only when nothing else is left."""
    return tuple(dict.fromkeys((*registry.queues.names, *(queue.queue_name for queue in broker.queues()))))


@contextmanager
def _sign_off_at_end(broker: Broker, name: str) -> Iterator[None]:
    """Tell the broker at the end that the worker *name* is gone; what it still holds, after an interruption, is handed back."""
    try:
        yield
    finally:
        with suppress(FqError):  # then its lease runs out
            broker.release(name, {})


def _run(runner: JobRunner, job: Job, coroutines: CoroutineRunner) -> Commit:
    if job.actor.ahandler is not None:
        try:
            coroutines.run(runner.arun(job))
        except asyncio.CancelledError as error:  # the actor has cancelled its own task; so does Ctrl-C
            runner.fail(job, self_cancelled(job.delivery.actor_name, error))
        except GeneratorExit as error:  # a layer has raised it: nothing else closes what `CoroutineRunner` runs
            runner.fail(job, error)
    else:
        runner.run(job)
    return job.commit or Commit(job.delivery.message_id, job.delivery.queue_name, job.delivery.token, ACK)


def _jump(broker: Broker, worker: str) -> bool:
    """Move a settable clock to when the next delayed message is due, if there is one; return whether there is more to run."""
    queues = broker.queues()
    if any(queue.ready and not queue.paused for queue in queues):
        return True  # it has just fallen due
    if not isinstance(broker, Advances) or not any(queue.delayed for queue in queues):
        return False
    broker.advance(max(1, broker.until_due(worker)))
    return True
