"""`WorkflowActors`: an app with actors for pipelines and groups; and helpers that run workflows."""

import time

from fq import App, SkipMessage
from fq.brokers.records import ClaimRequest
from fq.execution.handler import acall_directly, call_directly
from fq.worker.claimed_job import Job
from fq.worker.job import JobRunner


class WorkflowActors:
    """
    Mutable: an app with some actors, and what ran in which order.

    Attributes:
        ran: name and arguments of each run, in order.
    """

    def __init__(self, app: App) -> None:
        self.app = app
        self.ran: list[object] = []
        ran = self.ran

        @app.actor
        def add(a: int, b: int) -> int:
            ran.append(("add", a, b))
            return a + b

        @app.actor
        def double(n: int) -> int:
            ran.append(("double", n))
            return 2 * n

        @app.actor
        def total(numbers: list[int]) -> int:
            ran.append(("total", numbers))
            return sum(numbers)

        @app.actor(max_retries=0)
        def fail(n: int = 0) -> int:
            ran.append(("fail", n))
            raise ValueError(f"no {n}")

        @app.actor
        def skip() -> int:
            raise SkipMessage("not today")

        @app.actor
        def same(value: object) -> object:
            ran.append(("same", value))
            return value

        @app.actor
        def note(values: object, text: str) -> None:
            ran.append(("note", values, text))

        @app.actor
        def quiet(n: int) -> None:
            ran.append(("quiet", n))

        @app.actor
        def slow(ms: int) -> int:
            time.sleep(ms / 1_000)
            return ms

        self.add, self.double, self.total, self.fail, self.skip = add, double, total, fail, skip
        self.same, self.note, self.quiet, self.slow = same, note, quiet, slow


def run(actors: WorkflowActors, call: object) -> object:
    """Send *call*, run it to its end, and return its result."""
    handle = call.send()  # type: ignore[attr-defined]
    actors.app.run_until_idle()
    return handle.get_result()


def delayed_until(app: App, ms: int) -> int:
    """Move the clock *ms* forward, and return how many messages fell due in its last second; none may fall due before that."""
    count = waiting(app)
    app.broker.advance(ms - 1_000)  # type: ignore[attr-defined]
    assert waiting(app) == count, "due too soon"
    app.broker.advance(1_000)  # type: ignore[attr-defined]
    return count - waiting(app)


def waiting(app: App) -> int:
    """Return how many messages are delayed."""
    return sum(queue.delayed for queue in app.broker.queues())


def run_one(app: App) -> None:
    """Run one message."""
    runner = JobRunner(app.registry, call_directly, acall_directly, 0)
    (delivery,) = app.broker.turn([], ClaimRequest("stepper", app.queues, 1)).deliveries
    job = runner.receive(delivery)
    assert isinstance(job, Job)
    runner.run(job)
    assert job.commit is not None
    app.broker.turn([job.commit], ClaimRequest("stepper", app.queues, 0))
