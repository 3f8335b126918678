"""`run_until_idle`: a worker without threads, for tests and notebooks: deterministic, one message after the other."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from typing import Protocol, runtime_checkable

from fq.brokers.protocol import Broker
from fq.brokers.records import ACK, ClaimRequest, Commit
from fq.errors import FqError
from fq.execution.handler import acall_directly, call_directly, self_cancelled
from fq.execution.registry import Registry
from fq.runtime.fresh_ids import fresh_worker_name
from fq.worker.claimed_job import Job
from fq.worker.coroutine_runner import CoroutineRunner
from fq.worker.inline_resources import InlineResources
from fq.worker.job import JobRunner
from fq.worker.late_commits import late_claims
from fq.worker.process.broker_session import BrokerSession
from fq.worker.process.scheduler import Scheduler
from fq.worker.reports import Reports
from fq.worker.settings import WorkerSettings
from fq.worker.tally import Tally


@runtime_checkable
class Advances(Protocol):
    """A broker whose clock can be set, and that knows how far."""

    def advance(self, ms: int) -> None:
        """Move the clock *ms* forward."""
        ...

    def until_due(self, worker: str) -> int:
        """Return how long it is, in ms, until a delayed message or the lease of a worker other than *worker* falls due."""
        ...


def run_until_idle(registry: Registry, broker: Broker, until: int | None = None) -> int:
    """
    Run all that waits in *broker* on the calling thread, and return how many messages ran. See `App.run_until_idle`.

    With *until*, ms since the epoch, schedules fire, too, and a settable clock stops then.
    """
    name = fresh_worker_name("run_until_idle")
    runner = _runner(registry, broker, name)
    scheduler = None if until is None else Scheduler(registry, BrokerSession(broker, name, WorkerSettings().lease))
    count = 0
    commits: list[Commit] = []
    ran: list[Job] = []
    tally = Tally(runner.clock, lambda: nullcontext(broker))
    mover = None if registry.source is None else registry.source.relay(broker, registry.emit_enqueued)
    with (
        closing(CoroutineRunner()) as coroutines,
        closing(InlineResources(runner.resources, coroutines.run)) as resources,
        _sign_off_at_end(broker, name),
        closing(tally),
    ):
        if scheduler is not None:
            scheduler.declare()
        idle, queues = False, _queues(registry, broker)
        while not idle:
            turn = broker.turn(commits, ClaimRequest(name, queues, 1))
            tally.add(ran, late_claims(commits, turn.stale))
            for job in ran:  # one at a time
                runner.after_commit(job, stale=job.delivery.message_id in turn.stale)
            commits, ran = [], []
            if turn.deliveries:
                runner.clock.note(name, turn.deliveries)
            for delivery in turn.deliveries:
                resources.open_for(registry.needs_of(delivery.actor_name))
                received = runner.receive(delivery)
                commits.append(_run(runner, received, coroutines) if isinstance(received, Job) else received)
                ran += [received] if isinstance(received, Job) else []
                count += 1
            if not turn.deliveries:
                fired = scheduler is not None and turn.has_due_marks and scheduler.fire_any()
                fired = (mover is not None and mover.move_all() > 0) or fired
                idle = not (fired or (_jump(broker, name) if until is None else _jump_until(broker, name, until)))
                queues = _queues(registry, broker)
    return count


def _runner(registry: Registry, broker: Broker, name: str) -> JobRunner:
    """Return the runner of the worker *name*. What a running actor tells, it sends at once: there is no later turn while it runs."""

    def send_reports() -> None:
        try:
            broker.turn(reports.take(name, runner.clock.now()), ClaimRequest(name, registry.queues.names, 0))
        except FqError:  # the actor goes on, as in a worker
            reports.not_sent(again=True)
        else:
            reports.sent()

    reports = Reports(send_reports, interval=0.0)
    runner = JobRunner(registry, call_directly, acall_directly, WorkerSettings().unknown_actor_grace, on_report=reports.add)
    return runner


def _queues(registry: Registry, broker: Broker) -> tuple[str, ...]:
    """Return the declared queues, and all others that the broker knows; it is asked only when nothing else is left."""
    return tuple(dict.fromkeys((*registry.queues.names, *(queue.queue_name for queue in broker.queues(1)))))


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
    queues = broker.queues(1)
    if any(queue.ready and not queue.paused for queue in queues):
        return True  # it has just fallen due
    if not isinstance(broker, Advances) or not any(queue.delayed for queue in queues):
        return False
    broker.advance(max(1, broker.until_due(worker)))
    return True


def _jump_until(broker: Broker, worker: str, until: int) -> bool:
    """Move a settable clock to when something is due next, but not beyond *until*; return whether there may be more to run."""
    if any(queue.ready and not queue.paused for queue in broker.queues(1)):
        return True
    left = until - broker.now()
    if not isinstance(broker, Advances) or left <= 0:
        return False
    broker.advance(min(broker.until_due(worker) or left, left))
    return True
