"""`run_until_idle`: a worker without threads, for tests and notebooks: deterministic, one message after the other."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from fq.brokers.records import ACK, ClaimRequest, Commit
from fq.errors import FqError
from fq.execution.handler import acall_directly, call_directly, cancelled_itself
from fq.runtime.fresh_ids import fresh_worker_name
from fq.worker.coroutine_runner import Aside
from fq.worker.job import Chains, Job
from fq.worker.settings import WorkerSettings

if TYPE_CHECKING:
    from fq.app.app import App


@runtime_checkable
class Advances(Protocol):
    """A broker whose clock can be set, and that knows how far."""

    def advance(self, ms: int) -> None:
        """Move the clock *ms* forward."""
        ...

    def until_due(self, worker: str) -> int:
        """Return how long it is, in ms, until a delayed message or the lease of a worker other than *worker* falls due."""
        ...


def run_until_idle(app: "App") -> int:
    """Run all that waits in *app*'s broker on the calling thread, and return how many messages ran. See `App.run_until_idle`."""
    chains = Chains(app, call_directly, acall_directly, WorkerSettings().unknown_actor_grace)
    name = fresh_worker_name("run_until_idle")
    count = 0
    commits: list[Commit] = []
    ran: list[Job] = []
    with closing(Aside()) as aside, _signed_off(app, name):
        idle, queues = False, _queues(app)
        while not idle:
            turn = app.broker.turn(commits, ClaimRequest(name, queues, 1))
            for job in ran:
                chains.committed(job, stale=job.delivery.message_id in turn.stale)
            commits, ran = [], []
            for delivery in turn.deliveries:
                received = chains.receive(delivery)
                commits.append(_run(chains, received, aside) if isinstance(received, Job) else received)
                ran += [received] if isinstance(received, Job) else []
                count += 1
            if not turn.deliveries:
                idle, queues = not _jump(app, name), _queues(app)
    return count


def _queues(app: "App") -> tuple[str, ...]:
    """Return the queues of *app*, and all others that its broker knows: asked for only when nothing else is left, since a broker counts what is in them."""
    return tuple(dict.fromkeys((*app.queues, *(queue.queue_name for queue in app.broker.queues()))))


@contextmanager
def _signed_off(app: "App", name: str) -> Iterator[None]:
    """Tell the broker at the end that the worker *name* is gone; what it still holds, since it was interrupted, is handed back."""
    broker = app.broker
    try:
        yield
    finally:
        with suppress(FqError):  # then its lease runs out
            broker.release(name, {})


def _run(chains: Chains, job: Job, aside: Aside) -> Commit:
    if job.chain.ahandler is not None:
        try:
            aside.run(chains.arun(job))
        except asyncio.CancelledError as error:  # the actor has cancelled its own task: Ctrl-C comes as that
            chains.fail(job, cancelled_itself(job.delivery.actor_name, error))
        except GeneratorExit as error:  # a layer has raised it: nobody closes what `Aside` runs
            chains.fail(job, error)
    else:
        chains.run(job)
    return job.commit or Commit(job.delivery.message_id, job.delivery.queue_name, job.delivery.token, ACK)


def _jump(app: "App", worker: str) -> bool:
    """Move a settable clock to when the next delayed message is due, if there is one; is there more to run?"""
    queues = app.broker.queues()
    if any(queue.ready and not queue.paused for queue in queues):
        return True  # it fell due just now
    if not isinstance(app.broker, Advances) or not any(queue.delayed for queue in queues):
        return False
    app.broker.advance(max(1, app.broker.until_due(worker)))
    return True
