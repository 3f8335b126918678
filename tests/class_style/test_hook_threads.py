"""Hooks of async actors that have a thread and the context of the actor: who sees what, what ends it, and which threads there are."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from fq import App, ConfigError, Interrupt, Message, Outcome, Retries, TimeLimitExceeded, compose, default_middleware, hooks
from fq.brokers.memory import MemoryBroker
from fq.class_style import raise_thread_exception, to_hook_thread
from fq.class_style.hook_threads import HookThreads
from tests.class_style.deliveries import MESSAGE
from tests.wait_until import wait_until

user: ContextVar[str] = ContextVar("user", default="nobody")


class Binding:
    """Binds the message to a context variable, by a token, and to the thread."""

    local = threading.local()

    def __init__(self) -> None:
        self.seen: list[tuple[str, object, str]] = []
        self.exceptions: list[object] = []

    def before_process_message(self, broker: Any, message: Any) -> None:
        setattr(message, f"token {id(self)}", user.set(str(message.args[0])))
        self.local.message_id = message.message_id
        self.seen.append(("before", message.message_id, threading.current_thread().name))

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        user.reset(getattr(message, f"token {id(self)}"))
        self.seen.append(("after", self.local.message_id, threading.current_thread().name))
        self.exceptions.append(exception)

    def threads_of(self, message_id: str) -> list[str]:
        return [thread for _, seen, thread in self.seen if seen == message_id]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.getLogger("fq").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("fq").setLevel(logging.NOTSET)


@pytest.fixture
def binding() -> Binding:
    return Binding()


@pytest.fixture
def app(binding: Binding) -> App:
    return App(broker=MemoryBroker(), middleware=default_middleware.inside(Retries, hooks(binding, thread=True)))


def run(app: App) -> None:
    with app.worker(threads=1):
        wait_until(lambda: not any(queue.ready + queue.delayed + queue.in_flight for queue in app.broker.queues()))


def test_two_messages_at_once_have_a_thread_and_a_context_each(app: App, binding: Binding) -> None:
    users: list[str] = []
    both = asyncio.Barrier(2)

    @app.actor
    async def task(name: str) -> None:
        await both.wait()
        users.append(user.get())
        await asyncio.create_task(child())
        await both.wait()

    async def child() -> None:
        users.append(user.get())

    ids = [task.send("ann").message_id, task.send("bob").message_id]
    run(app)

    threads = [binding.threads_of(message_id) for message_id in ids]
    assert sorted(users) == ["ann", "ann", "bob", "bob"]
    assert [len(names) for names in threads] == [2, 2]
    assert [len(set(names)) for names in threads] == [1, 1]
    assert threads[0][0] != threads[1][0]
    assert "fq-loop" not in {name for names in threads for name in names}


def test_a_hook_that_blocks_holds_up_no_other_message() -> None:
    released = threading.Event()

    class Blocks:
        def before_process_message(self, broker: Any, message: Any) -> None:
            if message.args[0] == "waits":
                assert released.wait(30)

    app = App(broker=MemoryBroker(), middleware=default_middleware.add(hooks(Blocks(), thread=True)))

    @app.actor
    async def task(name: str) -> str:
        released.set()
        return name

    waiting = task.send("waits")
    task.send("releases")
    with app.worker(threads=1):
        assert waiting.get_result(block=True, timeout=30_000) == "waits"


def test_hooks_of_two_layers_share_the_thread_and_the_context() -> None:
    outer, inner = Binding(), Binding()
    app = App(broker=MemoryBroker(), middleware=compose(default_middleware, hooks(outer, thread=True), hooks(inner, thread=True)))

    @app.actor
    async def task(name: str) -> str:
        return user.get()

    with app.worker(threads=1):
        assert task.send("ann").get_result(block=True) == "ann"

    assert {thread for _, _, thread in (*outer.seen, *inner.seen)} == {outer.seen[0][2]}
    assert len(outer.seen) == len(inner.seen) == 2


def test_a_variable_of_an_inner_hook_is_there_in_an_outer_one_as_in_a_sync_actor() -> None:
    seen: list[str] = []

    class Outer:
        def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
            seen.append(user.get())

    class Inner:
        def before_process_message(self, broker: Any, message: Any) -> None:
            user.set("set inside")

    async def actor(_: Message) -> Outcome:
        return Outcome.success()

    outcome = asyncio.run(compose(hooks(Outer(), thread=True), hooks(Inner(), thread=True)).awrap(actor)(MESSAGE))

    assert outcome.succeeded
    assert seen == ["set inside"]
    assert user.get() == "nobody"


def test_the_actor_can_use_the_thread_of_its_hooks(app: App, binding: Binding) -> None:
    @app.actor
    async def task(name: str) -> list[str]:
        first = await to_hook_thread(lambda: f"{binding.local.message_id} {user.get()}")
        token = user.set("carl")
        second = await to_hook_thread(user.get)
        user.reset(token)
        return [first, second]

    with app.worker(threads=1):
        handle = task.send("ann")
        assert handle.get_result(block=True) == [f"{handle.message_id} ann", "carl"]


def test_what_a_function_in_the_thread_raises_the_actor_gets(app: App) -> None:
    def fails() -> None:
        raise KeyError("there")

    @app.actor
    async def task(name: str) -> str:
        try:
            await to_hook_thread(fails)
        except KeyError as error:
            return str(error)
        return "nothing"

    with app.worker(threads=1):
        assert task.send("ann").get_result(block=True) == "'there'"


def test_without_such_hooks_there_is_no_such_thread() -> None:
    with pytest.raises(ConfigError, match="found no thread of hooks"):
        asyncio.run(to_hook_thread(print))


def test_a_time_limit_ends_the_actor_and_its_hook_is_told_in_the_thread(app: App, binding: Binding) -> None:
    @app.actor(time_limit=50, max_retries=0)
    async def task(name: str) -> None:
        await asyncio.sleep(60)

    message_id = task.send("ann").message_id
    run(app)

    assert [type(exception) for exception in binding.exceptions] == [TimeLimitExceeded]
    assert len(set(binding.threads_of(message_id))) == 1


class Aborted(Interrupt):
    pass


def test_an_exception_raised_in_the_thread_ends_the_actor() -> None:
    thread_ids: list[int] = []

    class Abort(Binding):
        def before_process_message(self, broker: Any, message: Any) -> None:
            super().before_process_message(broker, message)
            thread_ids.append(threading.get_ident())

    abort = Abort()
    app = App(broker=MemoryBroker(), middleware=default_middleware.inside(Retries, hooks(abort, thread=True)))
    began = threading.Event()

    @app.actor(max_retries=0)
    async def task(name: str) -> None:
        began.set()
        await asyncio.sleep(60)

    task.send("ann")
    with app.worker(threads=1):
        assert began.wait(30)
        raise_thread_exception(thread_ids[0], Aborted)
        wait_until(lambda: app.broker.dead_letters())

    (dead,) = app.broker.dead_letters()
    assert dead.fault.type == "Aborted"
    assert [type(exception) for exception in abort.exceptions] == [Aborted]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cancellation_waits_for_the_hook_that_runs(binding: Binding, when: str) -> None:
    hook_runs, goes_on = threading.Event(), threading.Event()

    class Slow:
        def before_process_message(self, broker: Any, message: Any) -> None:
            self.wait("before")

        def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
            self.wait("after")

        def wait(self, now: str) -> None:
            if now == when:
                hook_runs.set()
                assert goes_on.wait(30)

    async def actor(_: Message) -> Outcome:
        await asyncio.sleep(0)
        return Outcome.success(3)

    async def cancel() -> tuple[bool, Outcome | None]:
        outcomes: list[Outcome] = []

        async def delivery() -> None:
            outcomes.append(await compose(hooks(binding, thread=True), hooks(Slow(), thread=True)).awrap(actor)(MESSAGE))

        task = asyncio.create_task(delivery())
        await asyncio.to_thread(hook_runs.wait, 30)
        task.cancel()
        goes_on.set()
        await asyncio.wait({task})
        return task.cancelled(), next(iter(outcomes), None)

    cancelled, outcome = asyncio.run(cancel())

    assert cancelled
    assert outcome == (None if when == "before" else Outcome.success(3))
    assert [kind for kind, *_ in binding.seen] == ["before", "after"]
    assert [type(error) for error in binding.exceptions] == [asyncio.CancelledError if when == "before" else type(None)]


class ThreadHooks:
    """Notes what threads tell."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def emit_after(self, signal: str, *_: object) -> None:
        self.told.append(f"after_{signal}")

    def emit_before(self, signal: str, *_: object) -> None:
        self.told.append(f"before_{signal}")
        raise ValueError("a hook that fails ends no thread")


def in_it(thread: Any, fn: Callable[[], object]) -> object:
    return thread.submit(fn).result(30)


def test_a_thread_that_comes_back_is_lent_again() -> None:
    threads = HookThreads(ThreadHooks())

    with threads.lend() as first, threads.lend() as second:
        idents = in_it(first, threading.get_ident), in_it(second, threading.get_ident)
    with threads.lend() as third:
        assert in_it(third, threading.get_ident) in idents
    threads.end_idle()

    assert idents[0] != idents[1]


def test_a_thread_tells_when_it_starts_and_ends() -> None:
    told = ThreadHooks()
    threads = HookThreads(told)

    with threads.lend() as thread:
        in_it(thread, threading.get_ident)
        threads.end_idle()  # this one is lent
        assert told.told == ["after_worker_thread_boot"]
    threads.end_idle()
    wait_until(lambda: not thread.is_alive)

    assert told.told == ["after_worker_thread_boot", "before_worker_thread_shutdown"]


def test_an_idle_thread_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fq.class_style.hook_threads.IDLE_SECONDS", 0.01)
    threads = HookThreads(ThreadHooks())

    with threads.lend() as thread:
        in_it(thread, threading.get_ident)
    wait_until(lambda: not thread.is_alive)

    with threads.lend() as another:
        assert in_it(another, threading.get_ident)
    wait_until(lambda: not another.is_alive)


def test_a_thread_outlives_what_is_raised_in_it() -> None:
    threads = HookThreads(ThreadHooks())
    raised: list[type] = []

    with threads.lend() as thread:
        thread.on_raised = lambda error: raised.append(type(error))
        raise_thread_exception(in_it(thread, threading.get_ident), Aborted)  # type: ignore[arg-type]
        wait_until(lambda: raised)
        with pytest.raises(KeyError):
            thread.submit({}.__getitem__, "x").result(30)
        assert in_it(thread, lambda: 3) == 3
    threads.end_idle()

    assert raised == [Aborted]


def test_the_more_threads_are_lent_the_less_often_each_looks() -> None:
    threads = HookThreads(ThreadHooks())
    assert threads.look_seconds() == 0.1

    threads._lent = 500

    assert threads.look_seconds() == 1.0


def test_a_worker_that_stops_ends_its_threads(app: App, binding: Binding) -> None:
    threads: list[threading.Thread] = []

    @app.actor
    async def task(name: str) -> None:
        threads.append(await to_hook_thread(threading.current_thread))

    task.send("ann")
    run(app)

    threads[0].join(30)
    assert not threads[0].is_alive()


def test_a_middleware_without_process_hooks_takes_no_thread() -> None:
    class Acks:
        def after_ack(self, broker: Any, message: Any) -> None: ...

    async def actor(_: Message) -> Outcome:
        return Outcome.success()

    assert hooks(Acks(), thread=True).awrap(actor) is actor
