"""`Call.follow` on every broker: what an actor sends with its outcome is sent by its commit, or not at all."""

import asyncio
import threading

import pytest
from attrs import frozen

from fq import App, FollowError, Handle, LayerError, Message, RetryAfter, SkipMessage, Snooze, Step, compose, default_middleware
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import ClaimRequest, EnqueueOp
from fq.core.derived_ids import child_id
from fq.core.outcome import Outcome
from fq.execution.handler import acall_directly, call_directly
from fq.testing import ManualClock
from fq.worker.claimed_job import Job
from fq.worker.job import JobRunner
from tests.app.following import Rig, both_colours, waiting
from tests.wait_until import wait_until


@both_colours
def test_the_commit_of_a_success_sends_what_follows(rig: Rig, colour: str) -> None:
    seen: list[int] = []

    def behave() -> int:
        for part in "abc":
            rig.load.call(part).follow()
        seen.append(waiting(rig.app))
        return 3

    handle = rig.parent(behave, colour)
    rig.run()

    assert seen == [0], "nothing is sent while the actor runs"
    assert rig.ran == ["a", "b", "c"]
    assert handle.get_result() == 3


@both_colours
def test_a_failure_sends_only_what_always_follows_and_only_at_the_end(rig: Rig, colour: str) -> None:
    attempts: list[int] = []

    def behave() -> object:
        attempts.append(len(rig.ran))
        rig.load.call("part").follow()
        rig.load.call("report").follow(always=True)
        raise ValueError

    rig.parent(behave, colour)
    rig.run()

    assert attempts == [0, 0], "the retry has sent nothing"
    assert rig.ran == ["report"]


@both_colours
def test_an_attempt_that_succeeds_after_a_retry_sends_once(rig: Rig, colour: str) -> None:
    attempts: list[int] = []

    def behave() -> None:
        rig.load.call(len(attempts)).follow()
        rig.load.call("report").follow(always=True)
        attempts.append(1)
        if len(attempts) == 1:
            raise RetryAfter(0)

    rig.parent(behave, colour)
    rig.run()

    assert rig.ran == [1, "report"]


def test_the_handle_names_what_will_be_sent_and_reads_it_afterwards(rig: Rig) -> None:
    handles: list[Handle[object]] = []
    parent = rig.parent(lambda: handles.append(rig.load.call("a").follow()), "sync")
    rig.run()

    assert handles[0].message_id == child_id(parent.message_id, "follow", 0)
    assert handles[0].get_result() == "a"


@pytest.mark.parametrize("read", ["get", "get_result", "wait", "status", "cancel"])
def test_a_handle_that_is_read_in_the_actor_says_why_it_cannot(memory: Rig, read: str) -> None:
    raised: list[str] = []

    def behave() -> None:
        handle = memory.load.call("a").follow()
        with pytest.raises(FollowError, match="read inside parent"):
            getattr(handle, read)()
        raised.append(read)

    memory.parent(behave, "sync")
    memory.run()

    assert raised == [read]
    assert memory.ran == ["a"]


def test_so_does_aget(memory: Rig) -> None:
    errors: list[FollowError] = []

    @memory.app.actor
    async def parent() -> None:
        try:
            await memory.load.call("a").follow().aget()
        except FollowError as error:
            errors.append(error)

    parent.send()
    memory.run()

    assert len(errors) == 1


def test_a_workflow_follows_as_a_whole(rig: Rig) -> None:
    handles: list[Handle[object]] = []

    @rig.app.actor
    def total(parts: list[int]) -> int:
        return sum(parts)

    @rig.app.actor
    def number(n: int) -> int:
        return n

    def behave() -> None:
        handles.append((rig.app.group([number.call(1), number.call(2)]) | total).follow())
        handles.append((number.call(5).delay(0) | number).follow())

    rig.parent(behave, "sync")
    rig.run()

    assert [handle.get_result() for handle in handles] == [3, 5]


def test_a_delay_counts_from_the_commit(memory: Rig) -> None:
    broker = memory.app.broker
    assert isinstance(broker, MemoryBroker)

    def behave() -> None:
        broker.advance(500)
        memory.load.call("late").delay(60_000).follow()

    began = broker.now()
    memory.parent(behave, "sync")
    memory.run()

    assert memory.ran == ["late"]
    assert broker.now() - began == 60_500, "the clock has jumped over the delay"


@pytest.mark.parametrize("error", [Snooze(0), RetryAfter(0)])
def test_neither_a_retry_nor_a_snooze_is_final(error: Exception) -> None:
    rig = Rig(App(broker=MemoryBroker(clock=ManualClock())))
    sent_at: list[int] = []
    attempts: list[int] = []

    def behave() -> None:
        sent_at.append(waiting(rig.app))
        rig.load.call("always").follow(always=True)
        attempts.append(1)
        if len(attempts) == 1:
            raise error

    rig.parent(behave, "sync")
    rig.run()

    assert sent_at == [0, 0]
    assert rig.ran == ["always"]


def test_a_dropped_message_sends_what_always_follows(memory: Rig) -> None:
    def behave() -> None:
        memory.load.call("part").follow()
        memory.load.call("report").follow(always=True)
        raise SkipMessage("not needed")

    memory.parent(behave, "sync")
    memory.run()

    assert memory.ran == ["report"]


def test_a_result_that_cannot_be_encoded_sends_only_what_always_follows(rig: Rig) -> None:
    def behave() -> object:
        rig.load.call("part").follow()
        rig.load.call("report").follow(always=True)
        return object()

    handle = rig.parent(behave, "sync", store_results=True)
    rig.run()

    assert rig.ran == ["report"]
    assert "object" in str(handle.get().failure())


@frozen
class Breaks(Step):
    """Raises once the actor has ended."""

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        if message.actor_name == "parent":
            raise RuntimeError("broken")
        return outcome


def test_a_layer_that_fails_loses_what_follows_a_success_but_not_what_always_follows() -> None:
    rig = Rig(App(broker=MemoryBroker(clock=ManualClock()), middleware=compose(Breaks(), default_middleware)))

    def behave() -> None:
        rig.load.call("part").follow()
        rig.load.call("report").follow(always=True)

    rig.parent(behave, "sync")
    rig.run()

    assert rig.ran == ["report"]
    assert rig.app.broker.dead_letters()[0].fault.type == LayerError.__name__


def test_a_cancelled_actor_sends_what_always_follows(memory: Rig) -> None:
    begun = threading.Event()

    @memory.app.actor
    async def parent() -> None:
        memory.load.call("part").follow()
        memory.load.call("report").follow(always=True)
        begun.set()
        await asyncio.sleep(60)

    with memory.app.worker(threads=1):
        handle = parent.send()
        assert begun.wait(60)
        handle.cancel()
        wait_until(lambda: memory.ran, what="the report")

    assert memory.ran == ["report"]


def test_a_member_of_a_group_sends_what_follows_and_arrives(rig: Rig) -> None:
    @rig.app.actor
    def member(n: int) -> int:
        rig.load.call(n).follow()
        return n

    @rig.app.actor
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    handle = (rig.app.group([member.call(1), member.call(2)]) | total).send()
    rig.run()

    assert handle.get_result() == 3
    assert sorted(map(str, rig.ran)) == ["1", "2"]


def test_a_follow_up_whose_id_waits_already_is_left_as_it_is(rig: Rig) -> None:
    def behave() -> None:
        rig.load.call("first").delay(3_600_000).follow()

    parent = rig.parent(behave, "sync")
    broker = rig.app.broker
    broker.enqueue([EnqueueOp(child_id(parent.message_id, "follow", 0), "default", "load", 0, 7_200_000, b"{}")])
    (delivery,) = broker.turn((), ClaimRequest("w", ("default",), 1)).deliveries
    runner = JobRunner(rig.app.registry, call_directly, acall_directly, 0)
    job = runner.receive(delivery)
    assert isinstance(job, Job)
    runner.run(job)
    assert job.commit is not None
    turn = broker.turn((job.commit,), ClaimRequest("w", ("default",), 0))

    assert turn.stale == ()
    assert waiting(rig.app) == 1
