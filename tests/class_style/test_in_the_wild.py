"""Class-style middleware of the kinds that people have, none of which knows fq, around sync and async actors, with and without a thread, in a real worker."""

import asyncio
import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import pytest

from fq import App, Interrupt, Retries, default_middleware, hooks
from fq.brokers.memory import MemoryBroker
from fq.class_style import raise_thread_exception
from tests.wait_until import wait_until


def app_with(*middlewares: object, colour: str) -> App:
    """Return an app in which retries come at once and *middlewares* are outside of them; *colour* "thread" gives their hooks a thread."""
    layers = (hooks(middleware, thread=colour == "thread") for middleware in middlewares)
    stack = default_middleware.update(Retries, lambda layer: Retries(max_retries=1, min_backoff=1)).outside(Retries, *layers)
    return App(broker=MemoryBroker(), middleware=stack)


@pytest.fixture(params=["sync", "async", "thread"])
def colour(request: pytest.FixtureRequest) -> Iterator[str]:
    logging.getLogger("fq").setLevel(logging.CRITICAL)
    yield request.param
    logging.getLogger("fq").setLevel(logging.NOTSET)


def declare(app: App, colour: str, body: Callable[[], object], **options: Any) -> Any:
    """Declare an actor called ``task`` of *colour* that does *body*."""

    def task() -> object:
        return body()

    async def atask() -> object:
        await asyncio.sleep(0)
        return body()

    return app.actor(name="task", **options)(task if colour == "sync" else atask)


def run(app: App, *sent: Any) -> None:
    """Run a worker until nothing is left of what was sent."""
    with app.worker(threads=2):
        wait_until(lambda: not any(queue.ready + queue.delayed + queue.in_flight for queue in app.broker.queues()))


class Timing:
    """Keeps the start on the message itself."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def before_process_message(self, broker: Any, message: Any) -> None:
        message._started_at = time.perf_counter()

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        self.seconds.append(time.perf_counter() - message._started_at)

    after_skip_message = after_process_message


def test_timing(colour: str) -> None:
    timing = Timing()
    app = app_with(timing, colour=colour)
    declare(app, colour, lambda: time.sleep(0.02)).send()

    run(app)

    assert len(timing.seconds) == 1
    assert timing.seconds[0] >= 0.02


current_user: ContextVar[str | None] = ContextVar("current_user", default=None)


class CurrentUser:
    """Carries a context variable of the sender over to the actor, in the options."""

    def before_enqueue(self, broker: Any, message: Any, delay: Any) -> None:
        if (user := current_user.get()) is not None:
            message.options.setdefault("user", user)

    def before_process_message(self, broker: Any, message: Any) -> None:
        message._token = current_user.set(message.options.get("user"))

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        current_user.reset(message._token)

    def after_skip_message(self, broker: Any, message: Any) -> None:
        current_user.reset(message._token)


def test_the_senders_user_is_there_in_the_actor_and_on_every_retry(colour: str) -> None:
    seen: list[object] = []
    app = app_with(CurrentUser(), colour=colour)

    def body() -> None:
        seen.append(current_user.get())
        if len(seen) == 1:
            raise ValueError("once")

    task = declare(app, colour, body)
    token = current_user.set("ann")
    task.send()
    current_user.reset(token)
    task.send()

    run(app)

    assert Counter(seen) == {"ann": seen.count("ann"), None: seen.count(None)}
    assert len(seen) == 3
    assert {"ann", None} == set(seen)


class ErrorReports:
    """Opens a scope for each message, and reports what is neither expected nor going to be tried again."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, str]] = []
        self.open = 0

    def before_process_message(self, broker: Any, message: Any) -> None:
        message._scope = SimpleNamespace(task=message.actor_name)
        self.open += 1

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        self.open -= 1
        throws = message.options.get("throws") or broker.get_actor(message.actor_name).options.get("throws")
        if exception is None or (throws and isinstance(exception, throws)) or not message.failed:
            return
        self.reports.append((message._scope.task, repr(exception)))

    def after_skip_message(self, broker: Any, message: Any) -> None:
        self.open -= 1


def test_errors_are_reported_once_when_they_are_final_and_unexpected(colour: str) -> None:
    errors: Iterator[Exception] = iter([KeyError("no"), KeyError("no"), ValueError("as agreed")])
    reports = ErrorReports()
    app = app_with(reports, colour=colour)

    def body() -> None:
        raise next(errors)

    task = declare(app, colour, body, throws=ValueError)
    task.send()
    run(app)
    task.send()
    run(app)

    assert reports.reports == [("task", "KeyError('no')")]
    assert reports.open == 0


class Aborted(Interrupt):
    pass


class Abort:
    """Raises an interrupt in the thread that runs a message."""

    def __init__(self) -> None:
        self.threads: dict[str, int] = {}

    def before_process_message(self, broker: Any, message: Any) -> None:
        self.threads[message.message_id] = threading.get_ident()

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        self.threads.pop(message.message_id)
        if isinstance(exception, Aborted):
            message.fail()

    def abort(self, message_id: str) -> None:
        wait_until(lambda: message_id in self.threads)
        raise_thread_exception(self.threads[message_id], Aborted())


def test_a_message_that_runs_is_aborted_and_not_retried() -> None:
    runs: list[int] = []
    abort = Abort()
    app = App(broker=MemoryBroker(), middleware=default_middleware.inside(Retries, hooks(abort)))

    @app.actor(min_backoff=1)
    def task() -> None:
        runs.append(1)
        while True:
            time.sleep(0.001)

    handle = task.send()
    with app.worker(threads=1):
        wait_until(lambda: runs)
        abort.abort(handle.message_id)
        wait_until(lambda: app.broker.dead_letters())

    (dead,) = app.broker.dead_letters()
    assert dead.fault.type == "Aborted"
    assert runs == [1]
    assert abort.threads == {}


class MaxTasks:
    """Calls *stop* once after this many messages."""

    def __init__(self, limit: int, stop: Callable[[], object]) -> None:
        self.left = limit
        self.stop = stop
        self.lock = threading.Lock()

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        with self.lock:
            self.left -= 1
            if self.left == 0:
                broker.logger.info("done my share")
                self.stop()


def test_max_tasks(colour: str) -> None:
    stops: list[int] = []
    app = app_with(MaxTasks(3, lambda: stops.append(1)), colour=colour)
    task = declare(app, colour, lambda: None)
    for _ in range(5):
        task.send()

    run(app)

    assert stops == [1]


class Sessions:
    """A database connection for each message: committed on success, rolled back on failure, closed always."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.open = 0

    def before_process_message(self, broker: Any, message: Any) -> None:
        message.session = sqlite3.connect(self.path, check_same_thread=False)
        session.set(message.session)
        self.open += 1

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        if exception is None:
            message.session.commit()
        self.close(message)

    def after_skip_message(self, broker: Any, message: Any) -> None:
        self.close(message)

    def close(self, message: Any) -> None:
        message.session.close()
        self.open -= 1


session: ContextVar[Any] = ContextVar("session")


def test_database_sessions(colour: str, tmp_path: Any) -> None:
    path = str(tmp_path / "data.db")
    with sqlite3.connect(path) as db:
        db.execute("create table seen (n integer)")
    sessions, runs = Sessions(path), iter(range(3))
    app = app_with(sessions, colour=colour)

    def body() -> None:
        session.get().execute("insert into seen values (?)", (n := next(runs),))
        if n == 0:
            raise ValueError("once")

    declare(app, colour, body).send()
    run(app)

    assert sqlite3.connect(path).execute("select n from seen").fetchall() == [(1,)]
    assert sessions.open == 0


class PeriodicStats:
    """A thread of its own for the life of the worker."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.published: list[dict[str, int]] = []
        self.stopped = threading.Event()

    def before_worker_boot(self, broker: Any, worker: Any) -> None:
        worker.stats = threading.Thread(target=self.publish, daemon=True)
        worker.stats.start()

    def publish(self) -> None:
        while not self.stopped.wait(0.01):
            self.published.append(dict(self.counts))

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        self.counts["failed" if exception else "done"] += 1

    def before_worker_shutdown(self, broker: Any, worker: Any) -> None:
        self.stopped.set()
        worker.stats.join()


def test_periodic_stats(colour: str) -> None:
    stats = PeriodicStats()
    app = app_with(stats, colour=colour)
    declare(app, colour, lambda: 1).send()

    with app.worker(threads=1):
        wait_until(lambda: {"done": 1} in stats.published)

    assert stats.stopped.is_set()


class TaskTable:
    """A row for each message, with its state."""

    actor_options = ("tracked",)

    def __init__(self) -> None:
        self.rows: dict[str, list[str]] = {}

    def note(self, broker: Any, message: Any, state: str) -> None:
        if broker.get_actor(message.actor_name).options.get("tracked", True):
            self.rows.setdefault(str(message), []).append(state)

    def after_enqueue(self, broker: Any, message: Any, delay: Any) -> None:
        self.note(broker, message, "delayed" if delay else "enqueued")

    def before_process_message(self, broker: Any, message: Any) -> None:
        self.note(broker, message, "running")

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        self.note(broker, message, "failed" if message.failed else "done" if exception is None else "to be retried")

    def after_skip_message(self, broker: Any, message: Any) -> None:
        self.note(broker, message, "skipped")


def test_a_table_of_tasks(colour: str) -> None:
    table = TaskTable()
    app = app_with(table, colour=colour)

    def body() -> None:
        raise ValueError("always")

    declare(app, colour, body).send()

    @app.actor(tracked=False)  # type: ignore[call-overload]
    def secret() -> None: ...

    secret.send()
    run(app)

    # The dispatcher tells of the retry as soon as it is on its queue; the worker thread may be running it by then.
    assert sorted(table.rows) == ["task()"]
    assert sorted(table.rows["task()"]) == sorted(["enqueued", "running", "to be retried", "delayed", "running", "failed"])
