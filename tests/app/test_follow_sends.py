"""Where `Call.follow` works, sends that follow by an option, and what layers hear of both."""

import asyncio
import contextlib
import contextvars
import pickle
import sys
import threading
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from attrs import field, frozen

from fq import App, FollowError, Middleware, compose, default_middleware
from fq.brokers.memory import MemoryBroker
from fq.core.events import Delayed, Enqueued, Event
from fq.testing import ManualClock
from tests.app.following import Rig, both_colours, waiting
from tests.wait_until import wait_until


def test_outside_of_an_actor_it_is_send(rig: Rig) -> None:
    handle = rig.load.call("a").follow()

    assert waiting(rig.app) == 1
    rig.run()
    assert handle.get_result() == "a"


def test_a_thread_that_the_actor_starts_is_outside_and_to_thread_is_inside(memory: Rig) -> None:
    seen: list[int] = []

    @memory.app.actor
    async def parent() -> None:
        thread = threading.Thread(target=lambda: memory.load.call("thread").follow())
        thread.start()
        thread.join()
        seen.append(waiting(memory.app))
        await asyncio.to_thread(lambda: memory.load.call("to_thread").follow())
        await asyncio.create_task(follow_in_task())
        seen.append(waiting(memory.app))

    async def follow_in_task() -> None:
        memory.load.call("task").follow()

    parent.send()
    memory.run()

    assert seen == [1, 1]
    assert sorted(map(str, memory.ran)) == ["task", "thread", "to_thread"]


def in_thread_with_context(call: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=contextvars.copy_context().run, args=(call,))
    thread.start()
    return thread


@both_colours
@pytest.mark.parametrize("by", ["worker", "run_until_idle"])
def test_what_a_thread_with_a_copy_of_the_context_follows_is_sent_by_the_commit(memory: Rig, colour: str, by: str) -> None:
    seen: list[int] = []

    def behave() -> None:
        in_thread_with_context(lambda: memory.load.call("a").follow()).join()
        with ThreadPoolExecutor() as pool:
            pool.submit(contextvars.copy_context().run, memory.load.call("b").follow).result()
        seen.append(waiting(memory.app))

    memory.parent(behave, colour)
    if by == "worker":
        with memory.app.worker(threads=1):
            wait_until(lambda: len(memory.ran) == 2, what="the run of what follows")
    else:
        memory.run()

    assert seen == [0]
    assert sorted(map(str, memory.ran)) == ["a", "b"]


@both_colours
def test_threads_that_follow_at_once_lose_nothing(memory: Rig, colour: str) -> None:
    def behave() -> None:
        together = threading.Barrier(8)

        def follow_many(first: int) -> None:
            together.wait(60)
            for number in range(first, first + 50):
                memory.load.call(number).follow()

        threads = [in_thread_with_context(lambda first=first: follow_many(first)) for first in range(0, 400, 50)]  # type: ignore[misc]
        for thread in threads:
            thread.join()

    memory.parent(behave, colour)
    memory.run()

    assert sorted(map(int, memory.ran)) == list(range(400))  # type: ignore[call-overload]


@both_colours
def test_a_thread_that_outlives_its_actor_is_told_so(memory: Rig, colour: str) -> None:
    ended, errors, threads = threading.Event(), list[FollowError](), list[threading.Thread]()

    def late() -> None:
        ended.wait(60)
        try:
            memory.load.call("late").follow()
        except FollowError as error:
            errors.append(error)

    memory.parent(lambda: threads.append(in_thread_with_context(late)), colour)
    memory.run()
    ended.set()
    threads[0].join()

    assert ["after the end of parent()" in str(error) for error in errors] == [True]
    assert waiting(memory.app) == 0


def test_a_task_that_outlives_its_actor_is_told_so(memory: Rig) -> None:
    errors: list[FollowError] = []

    async def late() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        try:
            memory.load.call("late").follow()
        except FollowError as error:
            errors.append(error)

    tasks = []

    @memory.app.actor
    async def parent() -> None:
        tasks.append(asyncio.create_task(late()))
        await asyncio.sleep(0)

    parent.send()
    memory.run()  # the end of the loop cancels what is left

    assert ["after the end of parent()" in str(error) for error in errors] == [True]
    assert memory.ran == []


def test_a_call_of_another_app_cannot_follow(memory: Rig) -> None:
    other = Rig(App("memory://"))
    handle = memory.parent(lambda: other.load.call("a").follow(), "sync", max_age=None)
    memory.run()

    assert "one app" in str(handle.get()) or "one app" in memory.app.broker.dead_letters()[0].fault.message
    assert waiting(other.app) == 0


@both_colours
def test_with_the_option_every_send_follows(rig: Rig, colour: str) -> None:
    attempts: list[int] = []

    def behave() -> None:
        rig.load.send(len(attempts))
        rig.load.call("call").send()
        rig.app.send_many(rig.load.call(f"many {n}") for n in range(2))
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError

    rig.parent(behave, colour, follow_sends=True)
    rig.run()

    assert rig.ran == [1, "call", "many 0", "many 1"]


def test_so_does_asend_and_a_message_may_have_the_option(memory: Rig) -> None:
    @memory.app.actor
    async def parent(fails: bool) -> None:
        await memory.load.asend("a")
        if fails:
            raise ValueError

    parent.call(True).with_options(max_retries=0, follow_sends=True).send()
    parent.call(True).with_options(max_retries=0).send()
    memory.run()

    assert memory.ran == ["a"], "the one without the option has sent at once"


@frozen
class Watches(Middleware):
    """Notes what is sent."""

    events: list[Event] = field(factory=list)

    def on_event(self, event: Event) -> None:
        if isinstance(event, Enqueued | Delayed) and event.message.actor_name == "load":
            self.events.append(event)


def test_layers_hear_of_what_follows_after_the_commit() -> None:
    watches = Watches()
    rig = Rig(App(broker=MemoryBroker(clock=ManualClock()), middleware=compose(watches, default_middleware)))
    heard: list[int] = []

    def behave() -> None:
        rig.load.call("now").follow()
        rig.load.call("later").delay(10).follow()
        heard.append(len(watches.events))

    rig.parent(behave, "sync")
    rig.run()

    assert heard == [0]
    assert [type(event).__name__ for event in watches.events] == ["Enqueued", "Delayed", "Enqueued"]


def test_a_pickled_handle_reads_what_was_sent(memory: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("following_app")
    module.app = memory.app  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "following_app", module)
    pickled: list[bytes] = []
    memory.parent(lambda: pickled.append(pickle.dumps(memory.load.call("a").follow())), "sync")
    memory.run()

    assert pickle.loads(pickled[0]).get_result() == "a"
